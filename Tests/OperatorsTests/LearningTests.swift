import GraphIR
import Operators
import Support
import Tensors
import Testing

/// Expected values of this file were found with another runtime.
@Test func imputerReplaces() throws {
  let nan = Attribute("replaced_value_float", .float(.nan))
  let x = try rows([[.nan, 1], [2, .nan]])
  #expect(
    try learned("Imputer", [floats("imputed_value_floats", [7, 8]), nan], [x])[0].floatElements()
      == [7, 1, 2, 8])
  let one = [floats("imputed_value_floats", [7]), Attribute("replaced_value_float", .float(3))]
  #expect(try learned("Imputer", one, [try rows([[3, 1], [2, 3]])])[0].floatElements() == [7, 1, 2, 7])
  let whole = [ints("imputed_value_int64s", [7]), int("replaced_value_int64", 3)]
  let integers = try Tensor(TensorType(.i64, [1, 2]), [3, 1])
  #expect(try learned("Imputer", whole, [integers])[0].int64Elements() == [7, 1])
  #expect(refusal("Imputer", whole, [x]) == "0 values to impute for f32[2,2]")
  #expect(
    refusal("Imputer", [floats("imputed_value_floats", [1, 2, 3])], [x])
      == "3 values to impute for f32[2,2]")
}

@Test func vectorizerPutsRowsSideBySide() throws {
  let (a, b) = (try rows([[1, 2], [3, 4]]), try rows([[5], [6]]))
  let op = "FeatureVectorizer"
  func widths(_ values: [Int]) -> [Attribute] { [ints("inputdimensions", values)] }
  #expect(try learned(op, widths([2, 1]), [a, b])[0].floatElements() == [1, 2, 5, 3, 4, 6])
  #expect(try learned(op, widths([1, 1]), [a, b])[0].floatElements() == [1, 5, 3, 6])
  #expect(try learned(op, widths([3]), [a])[0].floatElements() == [1, 2, 0, 3, 4, 0])
  let list = try Tensor(TensorType(.i64, [2]), [1, 2])
  #expect(try learned(op, widths([2]), [list])[0].floatElements() == [1, 2])
  #expect(refusal(op, widths([2]), [a, b]) == "1 widths for 2 operands")
  #expect(refusal(op, widths([2, -1]), [a, b]) == "2 widths for 2 operands")
  #expect(refusal(op, widths([2, 2]), [a, list]) == "operand 1 is i64[2], others have 2 rows")
  #expect(refusal(op, widths([.max, .max]), [a, b]).contains("63 bits"))
  #expect(refusal(op, widths([1 << 50]), [a]).contains("a result f32[2,1125899906842624]"))
}

@Test func featuresAreScaled() throws {
  let x = try rows([[3, 1], [2, 3]])
  let each = [floats("offset", [1, 2]), floats("scale", [2, 3])]
  #expect(try learned("Scaler", each, [x])[0].floatElements() == [4, -3, 2, 3])
  let all = [floats("offset", [1]), floats("scale", [2])]
  #expect(try learned("Scaler", all, [x])[0].floatElements() == [4, 0, 2, 4])
  #expect(refusal("Scaler", [floats("scale", [2, 3])], [x]) == "0 offsets and 2 scales for f32[2,2]")
  #expect(refusal("Scaler", each, [try rows([[1, 2, 3]])]) == "2 offsets and 2 scales for f32[1,3]")
}

@Test(
  arguments: [
    ("MAX", [1.0 / 3, -2.0 / 3, 1, 0, 0, 0, -2, 1, 0.25]),
    ("L1", [1.0 / 6, -1.0 / 3, 0.5, 0, 0, 0, -0.61538464, 0.30769232, 0.07692308]),
    ("L2", [0.26726124, -0.5345225, 0.8017837, 0, 0, 0, -0.8888889, 0.44444445, 0.11111111]),
  ] as [(String, [Float])])
func rowsAreNormalized(norm: String, wanted: [Float]) throws {
  let x = try rows([[1, -2, 3], [0, 0, 0], [-4, 2, 0.5]])
  let found = try learned("Normalizer", [Attribute("norm", .string(norm))], [x])[0].floatElements()
  #expect(distance(found, wanted) < 1e-6)
  let integers = try learned("Normalizer", [Attribute("norm", .string("L2"))], [try vector([3, -4])])
  #expect(integers[0].floatElements() == [0.6, -0.8])
  #expect(refusal("Normalizer", [Attribute("norm", .string("L3"))], [x]).contains("is not among"))
}

@Test func featuresAreBinarizedAndExtracted() throws {
  let x = try rows([[1, -2, 3], [0.5, 0.75, 0]])
  let binary = try learned("Binarizer", [Attribute("threshold", .float(0.5))], [x])[0]
  #expect(binary.floatElements() == [1, 0, 1, 0, 1, 0])
  let op = "ArrayFeatureExtractor"
  #expect(try learned(op, [], [x, try vector([2, 0])])[0].floatElements() == [3, 1, 0, 0.5])
  let row = try learned(op, [], [try vector([5, 6, 7]), try vector([2, 0])])[0]
  #expect(try row.int64Elements() == [7, 5] && row.shape == [1, 2])
  #expect(refusal(op, [], [x, try vector([3])]) == "index 3 is not within 0…2")
  #expect(refusal(op, [], [x, try vector([-1])]) == "index -1 is not within 0…2")
}

@Test func labelsAreEncoded() throws {
  let integers = [
    ints("keys_int64s", [1, 2]), floats("values_floats", [0.5, 0.25]), Attribute("default_float", .float(9)),
  ]
  let x = try Tensor(TensorType(.i64, [1, 2]), [3, 1])
  #expect(try learned("LabelEncoder", integers, [x])[0].floatElements() == [9, 0.5])
  let floating = [floats("keys_floats", [.nan, 0]), ints("values_int64s", [5, 25])]
  let y = try rows([[.nan, -0.0, 1]])
  #expect(try learned("LabelEncoder", floating, [y])[0].int64Elements() == [5, 25, -1])
  #expect(
    refusal("LabelEncoder", [ints("keys_int64s", [1])], [x]) == "0 lists of values, allowed is one of numbers"
  )
  #expect(
    refusal("LabelEncoder", [ints("keys_int64s", [1]), ints("values_int64s", [1, 2])], [x])
      == "keys are i64[1], values are i64[2]")
  #expect(refusal("LabelEncoder", integers, [y]) == "operand 0 is f32[1,3], allowed are i64")
}

@Test(
  arguments: [
    ("NONE", [1.1, 1, 1, 0.65, -4, 2.5], [-0.1, 1.1, 0.35, 0.65]),
    (
      "SOFTMAX", [0.35591307, 0.32204345, 0.32204345, 0.1356966, 0.0012974768, 0.86300588],
      [-0.1, 1.1, 0.35, 0.65]
    ),
    (
      "LOGISTIC", [0.7502601, 0.7310586, 0.7310586, 0.65701044, 0.01798624, 0.92414182],
      [0.24973989, 0.7502601, 0.34298956, 0.65701044]
    ),
  ] as [(String, [Float], [Float])])
func linearModels(transform: String, three: [Float], two: [Float]) throws {
  let post = Attribute("post_transform", .string(transform))
  let x = try rows([[1, -2, 3], [-4, 2, 0.5]])
  let matrix: [Float] = [0.1, 0.2, 0.3, 1, 0, 0, 0, 1, 1]
  let more = [
    floats("coefficients", matrix), floats("intercepts", [0.5, 0, 0]), ints("classlabels_ints", [4, 7, 9]),
    post,
  ]
  var found = try learned("LinearClassifier", more, [x])
  // The second row's scores are 0.65, -4 and 2.5.
  let scores = try learned(
    "LinearRegressor",
    [floats("coefficients", matrix), floats("intercepts", [0.5, 0, 0]), int("targets", 3), post],
    [x])[0]
  #expect(scores == found[1])
  #expect(try found[0].int64Elements() == [4, 9])
  #expect(distance(Array(found[1].floatElements()[..<2]), Array(three[..<2])) < 1e-6)
  #expect(distance(Array(found[1].floatElements()[3...]), Array(three[3...])) < 1e-6)
  let single = [
    floats("coefficients", [0.1, 0.2, 0.3]), floats("intercepts", [0.5]), ints("classlabels_ints", [4, 7]),
    post,
  ]
  found = try learned("LinearClassifier", single, [x])
  #expect(try found[0].int64Elements() == [7, 7])
  #expect(distance(found[1].floatElements(), two) < 1e-6)
  #expect(
    refusal("LinearClassifier", [ints("classlabels_ints", [1, 2, 3])] + single.prefix(2), [x])
      == "labels are [1, 2, 3] for 1 scores")
  #expect(
    refusal("LinearRegressor", [floats("coefficients", [1, 2])], [x])
      == "2 coefficients of 1 scores for f32[2,3]")
  #expect(
    refusal("LinearRegressor", [int("targets", 0)], [x]) == "0 intercepts for 0 targets")
}
