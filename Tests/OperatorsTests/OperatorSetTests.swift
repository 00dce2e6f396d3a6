import GraphIR
import KernelIR
import Operators
import Support
import Tensors
import TestSupport
import Testing

@Test func attributesDeriveFromOneList() throws {
  var gemm = Gemm()
  gemm.transB = true
  gemm.alpha = 0.5
  #expect(gemm.attributes == [Attribute("alpha", .float(0.5)), Attribute("transB", .int(1))])
  #expect(try Gemm(gemm.attributes) == gemm)
  #expect(gemm != Gemm())
}

/// Every operator's defaults are what an empty list of attributes gives, names differ, and each is found.
@Test func operatorsAreListedOnce() throws {
  let set = OperatorSet.standard
  let schemas = set.all.map { $0.schema }
  for schema in schemas {
    let instance = try set.instance(of: Node(schema.name, domain: schema.domain))
    let attributes = instance.attributes
    #expect(attributes.isEmpty)
  }
  let names = schemas.map(\.name)
  #expect(Set(names).count == names.count && names == names.sorted())
  let strangers = [set.find("Nonsense"), set.find("Relu", domain: "com.example")]
  let found = strangers.count { $0 != nil }
  #expect(found == 0)
}

@Test(arguments: [
  ("Gemm (%0, %1)", "f32[2,2]", "A' has 3 columns, B' has 2 rows"),
  ("Relu (%0) {alpha = 1.0}", "f32[2,3]", "'alpha = 1.0' is not among {} in name and type"),
  (
    "Gemm (%0, %1) {transB = 1.0}", "f32[2,2]",
    "'transB = 1.0' is not among {alpha = 1.0, beta = 1.0, transA = 0, transB = 0, activation = \"\"} in name and type"
  ),
  ("Nonsense (%0)", "f32[2,3]", "'Nonsense' is not one of the \(OperatorSet.standard.all.count) operators"),
  ("Relu (%0, %1)", "f32[2,3]", "2 operands, allowed are 1...1"),
  ("Relu (%0)", "f32[3,2]", "the results are [f32[3,2]], inferred are [f32[2,3]]"),
  ("Add (%0, %none)", "f32[2,3]", "operand 1 is absent"),
  ("Transpose (%0) {perm = [0, 0]}", "f32[2,3]", "perm = [0, 0] is no permutation of 2 dimensions"),
  ("Concat (%0, %1) {axis = 2}", "f32[2,3]", "axis 2 is not within -2…1"),
  ("MaxPool (%2) {kernel_shape = [0]}", "f32[1,1,4]", "a window of [0], strides [], dilations [], pads []"),
  ("MaxPool (%2) {kernel_shape = [9]}", "f32[1,1,4]", "a window of 9 over an extent of 4 padded by 0 and 0"),
  ("Conv (%2, %2) {group = 0}", "f32[1,1,4]", "x is f32[1,1,4], w is f32[1,1,4], group is 0"),
])
func operatorErrors(node: String, result: String, message: String) throws {
  let graph = try Graph(
    text: """
      graph "wrong" {
        %0 "a": f32[2,3] = input
        %1 "b": f32[2,3] = input
        %2 "c": f32[1,1,4] = input
        %3: \(result) = \(node)
        return %3
      }
      """)
  #expect(graph.verify() == [])
  #expect(OperatorSet.standard.check(graph).map(\.message) == [message])
}

/// Symbols pass through inference, and what depends on them is unknown.
@Test(arguments: [
  ("Relu", [], ["f32[n,4]"], "f32[n,4]"),
  ("Add", [], ["f32[n,1]", "f32[4]"], "f32[n,4]"),
  ("Add", [], ["f32[n]", "f32[m]"], "f32[?]"),
  ("MatMul", [], ["f32[n,4]", "f32[4,3]"], "f32[n,3]"),
  ("Concat", [Attribute("axis", .int(0))], ["f32[n,4]", "f32[2,4]"], "f32[?,4]"),
  ("Transpose", [], ["f32[n,4]"], "f32[4,n]"),
  ("Flatten", [], ["f32[n,4,2]"], "f32[n,8]"),
  ("GlobalAveragePool", [], ["f32[n,3,h,w]"], "f32[n,3,1,1]"),
  (
    "MaxPool", [Attribute("kernel_shape", .ints([3])), Attribute("pads", .ints([1, 1]))], ["f32[n,3,w]"],
    "f32[n,3,w]"
  ),
])
func symbolicInference(op: String, attributes: [Attribute], operands: [String], result: String) throws {
  let types = try operands.map { OperandType(try ValueType(text: $0)) }
  #expect(try OperatorSet.standard.infer(Node(op, attributes), types).map(\.text) == [result])
}

@Test func symbolicReshape() throws {
  func shape(_ x: String, _ stated: [Int]) throws -> String {
    let types = [OperandType(try ValueType(text: x)), OperandType(try vector(stated))]
    return try OperatorSet.standard.infer(Node("Reshape"), types)[0].text
  }
  #expect(try shape("f32[n,4]", [0, 2, 2]) == "f32[n,2,2]")
  #expect(try shape("f32[n,4]", [0, -1]) == "f32[n,4]")
  #expect(try shape("f32[n,2,2]", [-1, 4]) == "f32[n,4]")
  #expect(try shape("f32[n,2,2]", [-1, 8]) == "f32[?,8]")
}

/// Extreme attributes and extents are refused, never trapped on.
@Test(arguments: Seed.all)
func extremeNumbersAreRefused(seed: Seed) throws {
  var random = RandomTensors(seed)
  let large: [Int] = [Int.min, Int.max, -1, 0, 1, 1 << 31, 1 << 40, 1 << 62]
  for _ in 0..<300 {
    let extents = (0..<3).map { _ in random.pick([0, 1, 5, 1 << 40, 1 << 62]) }
    let x = OperandType(ValueType(TensorType(.f32, extents)))
    let w = OperandType(ValueType(TensorType(.f32, [2, 1, 3])))
    let two = [random.pick(large), random.pick(large)]
    let attributes = [
      ints("strides", [two[0]]), ints("dilations", [random.pick(large)]), ints("pads", two),
      int("group", random.pick(large)),
    ]
    for op in ["Conv", "ConvTranspose"] {
      _ = try? OperatorSet.standard.infer(Node(op, attributes), [x, w])
      _ = try? OperatorSet.standard.infer(Node(op, Array(attributes.prefix(3))), [x, w])
    }
    let pool = attributes.prefix(3) + [ints("kernel_shape", [random.pick(large)])]
    _ = try? OperatorSet.standard.infer(Node("AveragePool", Array(pool)), [x])
    let list = OperandType(try vector([random.pick(large), random.pick(large), random.pick(large)]))
    let six = OperandType(try vector((0..<6).map { _ in random.pick(large) }))
    for op in ["Reshape", "Expand", "Tile", "Unsqueeze", "Squeeze", "ReduceSum"] {
      _ = try? OperatorSet.standard.infer(Node(op), [x, list])
    }
    _ = try? OperatorSet.standard.infer(Node("ConstantOfShape"), [list])
    _ = try? OperatorSet.standard.infer(Node("Slice"), [x, list, list, nil, list])
    _ = try? OperatorSet.standard.infer(Node("Slice"), [x, list, list, list])
    _ = try? OperatorSet.standard.infer(Node("Pad"), [x, six])
    _ = try? OperatorSet.standard.infer(Node("Resize"), [x, nil, nil, list])
    _ = try? OperatorSet.standard.infer(Node("Flatten", [int("axis", two[0])]), [x])
    _ = try? OperatorSet.standard.infer(Node("Softmax", [int("axis", two[0])]), [x])
    _ = try? OperatorSet.standard.infer(Node("Gather", [int("axis", two[0])]), [x, list])
    _ = try? OperatorSet.standard.infer(Node("Concat", [int("axis", two[0])]), [x, x])
    _ = try? OperatorSet.standard.infer(Node("Split", [int("num_outputs", two[0])]), [x])
    _ = try? OperatorSet.standard.infer(Node("Shape", [int("start", two[0]), int("end", two[1])]), [x])
    let blocks = ValueType(TensorType(.f32, [1] + extents))
    _ = try? OperatorSet.standard.infer(
      Node("DepthToSpace", [int("blocksize", two[0])]), [OperandType(blocks)])
    _ = try? OperatorSet.standard.infer(Node("OneHot"), [x, OperandType(try random.floats([])), x])
  }
}
