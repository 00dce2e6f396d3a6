import Furc
import Testing

/// What a package of its own adds, with no import but the library.
struct ExtensionTests {
  /// x · k, where k is a vector. Only its domain tells it from ONNX's MatMul.
  private struct Gain: Operator {
    static let schema = Schema("MatMul", domain: "com.example", since: [1], operands: 2...2)
    static let fields: [AttributeField<Gain>] = []

    func infer(_ context: InferenceContext) throws(Diagnostic) -> [ValueType] {
      [try context.type(0, of: [.f32])]
    }

    func evaluate(_ operands: [Tensor?]) throws(Diagnostic) -> [Tensor] {
      let (x, gains) = (try operands.tensor(0), try operands.tensor(1).floatElements())
      let products = x.floatElements().enumerated().map { Arithmetic.multiply($1, gains[$0 % gains.count]) }
      return [try Tensor(x.type, products)]
    }

    func lower(_ context: inout LoweringContext) throws(Diagnostic) -> [BufferID]? {
      let operands = [try context.operand(0), try context.operand(1)]
      let product = try context.map(operands, .f32) { program, registers in
        program.append(.multiply, registers[0], registers[1])
      }
      return [product]
    }
  }

  private static let session = Session(operators: .standard.adding([Gain.self]))

  /// x · w, each column times a gain, · v: f32[1,16] to f32[1,8].
  private static func model() throws -> [UInt8] {
    var builder = GraphBuilder(name: "gained")
    func constant(_ name: String, _ shape: [Int]) throws -> ValueID {
      let values = (0..<shape.reduce(1, *)).map { Float($0 * 7 % 13) / 13 - 0.4 }
      return builder.constant(try Tensor(TensorType(.f32, shape), values), name: name)
    }
    let x = builder.input("x", ValueType(.f32, [1, 16]))
    let (w, gains, v) = (try constant("w", [16, 16]), try constant("k", [16]), try constant("v", [16, 8]))
    let product = builder.node(Node("MatMul", name: "first"), [x, w], ValueType(.f32, [1, 16]))
    let gained = builder.node(
      Node("MatMul", domain: "com.example", name: "gain"), [product, gains], ValueType(.f32, [1, 16]))
    let out = builder.node(
      Node("MatMul", name: "last"), [gained, v], results: [Value(name: "out", ValueType(.f32, [1, 8]))])
    return try ONNXExporter.export(builder.finish(returning: out), operators: session.operators)
  }

  @Test func anOperatorOfAnotherDomainIsQuantizedAndRunsOnTheDevice() throws {
    let model = try Model.read(try Self.model(), name: "gained", Self.session)
    var options = CompileOptions()
    options.allowsFallback = false
    let compilation = try Self.session.compile(model, for: try Targets.builtin("warboy"), options)
    let graph = compilation.canonical
    let gain = try #require(graph.order.first { graph.nodes[$0].domain == "com.example" })
    #expect(graph.values[graph.results(of: gain)[0]].quantization != nil)
    let verification = try Self.session.verify(compilation)
    #expect(verification.passed && verification.modes.count == 4, "\(verification.failures)")
  }

  @Test func withoutTheOperatorReadingNamesItAndItsDomain() throws {
    let bytes = try Self.model()
    let error = #expect(throws: Diagnostics.self) { try Model.read(bytes, name: "gained") }
    #expect(error?.items.map(\.kind) == [.unknownOperator])
    #expect(error?.items.first?.message.contains("MatMul of domain 'com.example'") == true)
  }

  @Test func aPassActsInItsSessionAlone() throws {
    let pass = Pass("erase-gains", "erases all gains") { rewriter, _ in
      for node in rewriter.graph.order where rewriter.graph.nodes[node].domain == "com.example" {
        guard rewriter.startChange() else { return }
        let (result, operand) = (rewriter.graph.results(of: node)[0], rewriter.graph.operands(of: node)[0])
        rewriter.replaceUses(of: result, by: operand)
        rewriter.erase(node)
      }
    }
    let graph = try Model.read(try Self.model(), name: "gained", Self.session).graph
    var session = Self.session
    session.passes = session.passes.inserting(pass, after: "infer-shapes")
    #expect(try Self.session.optimized(graph).order.count == 3)
    #expect(try session.optimized(graph).order.count == 2)
  }
}
