extension OperatorSet {
  /// The index: a new operator is one file and its name here.
  public static let standard = OperatorSet([
    Abs.self, Add.self, And.self, ArgMax.self, ArgMin.self, ArrayFeatureExtractor.self,
    AveragePool.self, BatchNormalization.self, Binarizer.self, Cast.self, Ceil.self, Clip.self,
    Concat.self, Constant.self, ConstantOfShape.self, Conv.self, ConvInteger.self, ConvTranspose.self,
    Cos.self, DepthToSpace.self, DequantizeLinear.self, Div.self, Elu.self, Equal.self, Erf.self,
    Exp.self, Expand.self, FeatureVectorizer.self, Flatten.self, Floor.self, Gather.self, Gelu.self,
    Gemm.self, GlobalAveragePool.self, GlobalMaxPool.self, Greater.self, GreaterOrEqual.self,
    HardSigmoid.self, HardSwish.self, Identity.self, If.self, Imputer.self, InstanceNormalization.self,
    LSTM.self, LabelEncoder.self, LayerNormalization.self, LeakyRelu.self, Less.self, LessOrEqual.self,
    LinearClassifier.self, LinearRegressor.self, Log.self, LogSoftmax.self, MatMul.self,
    MatMulInteger.self, Max.self, MaxPool.self, Min.self, Mul.self, Neg.self, Normalizer.self, Not.self,
    OneHot.self, Or.self, Pad.self, Pow.self, QuantizeLinear.self, RMSNormalization.self,
    RangeOperator.self, Reciprocal.self, ReduceMax.self, ReduceMean.self, ReduceMin.self,
    ReduceSum.self, Relu.self, Reshape.self, Resize.self, Round.self, Scaler.self, Shape.self,
    Sigmoid.self, Sin.self, Size.self, Slice.self, Softmax.self, Softplus.self, Split.self, Sqrt.self,
    Squeeze.self, Sub.self, Sum.self, Swish.self, Tanh.self, Tile.self, Transpose.self,
    TreeEnsembleClassifier.self, TreeEnsembleRegressor.self, Unsqueeze.self, Where.self, Xor.self,
  ])
}
