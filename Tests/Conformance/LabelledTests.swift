import Executor
import Furc
import GraphIR
import Quantization
import Support
import Tensors
import Testing

/// Every model on its labelled rows, one at a time, beside the classes that another runtime gave.
struct LabelledTests {
  @Test(arguments: ModelFile.all.filter { $0.has("labelled.npz") })
  func classesAgree(_ model: ModelFile) throws {
    let session = Session()
    let graph = try session.optimized(try Model.load(model.path("onnx"), batch: 1, session).graph)
    let archive = try NPZArchive(model.path("labelled.npz"))
    let rows = try ArchiveSamples(archive, for: graph)
    let wanted = try archive.tensor(named: "reference").int64Elements()
    let margins = try archive.tensor(named: "margin").doubleElements()
    let executor = session.executor(graph)
    var apart = 0
    for index in 0..<rows.count {
      let first = try #require(try executor.run(try rows.sample(index)).outputs.first?.tensor)
      let isLabel = !first.element.isFloat && first.count == 1
      let classes =
        isLabel ? try first.int64Elements() : TopOne.classes(try first.reshaped([first.count]))
      guard classes != [wanted[index]] else { continue }
      apart += 1
      #expect(rows.count >= 300 || margins[index] <= 0.1, "row \(index)")
    }
    #expect(rows.count == wanted.count && (rows.count < 300 || apart <= rows.count / 300), "\(apart) apart")
  }
}
