extension OperatorSet {
  /// The index: a new operator is one file and its name here.
  public static let standard = OperatorSet([
    Add.self, AveragePool.self, BatchNormalization.self, Cast.self, Clip.self, Concat.self, Constant.self,
    Conv.self, DequantizeLinear.self, Div.self, Erf.self, Exp.self, Flatten.self, Gather.self, Gemm.self,
    GlobalAveragePool.self, GlobalMaxPool.self, Identity.self, MatMul.self, MaxPool.self, Mul.self,
    Pad.self, QuantizeLinear.self, ReduceMax.self, ReduceMean.self, ReduceMin.self, ReduceSum.self,
    Relu.self, Reshape.self, Resize.self, Shape.self, Sigmoid.self, Slice.self, Softmax.self, Squeeze.self,
    Sub.self, Tanh.self, Transpose.self, Unsqueeze.self,
  ])
}
