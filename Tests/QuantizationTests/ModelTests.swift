import Foundation
import GraphIR
import KernelIR
import Operators
import Quantization
import Support
import Tensors
import Testing

/// Trained models, from the file to the accuracy of the canonical graph on labelled data.
struct ModelTests {
  @Test func digitsKeepTheirAccuracy() throws {
    let folder = Models.digits
    let flow = try Flow(
      folder.appending(path: "digits_cnn.onnx"),
      calibration: folder.appending(path: "digits_cnn.calibration.npz"))
    #expect(flow.result.sampleCount == 128)
    let found = try accuracy(flow, folder.appending(path: "digits_cnn.labelled.npz"), limit: 600)
    print("digits_cnn: \(found)")
    #expect(found.float == 594.0 / 600)
    #expect(found.quantized >= 0.985)
    #expect(found.agreement >= 0.985)
    #expect(found.decibels > 20)
    #expect(innerConversions(flow.canonical) == [])
    #expect(floatContractions(try OperatorSet.standard.lower(flow.canonical)) == [])
  }

  @Test func imagesKeepTheirAccuracy() throws {
    let folder = Models.shared.appending(path: "ic_resnet8")
    guard FileManager.default.fileExists(atPath: folder.path) else {
      print("skipped: no models in \(Models.shared.lastPathComponent); FURC_MODELS names their folder")
      return
    }
    let flow = try Flow(
      folder.appending(path: "resnet8_fp32.onnx"),
      calibration: folder.appending(path: "resnet8_fp32.calibration.npz"))
    let found = try accuracy(flow, folder.appending(path: "resnet8_fp32.labelled.npz"), limit: 600)
    print("ic_resnet8: \(found)")
    #expect(found.quantized >= found.float - 0.02)
    #expect(found.agreement >= 0.95)
    #expect(innerConversions(flow.canonical) == [])
    #expect(floatContractions(try OperatorSet.standard.lower(flow.canonical)) == [])
  }

  private struct Accuracy {
    var float = 0.0
    var quantized = 0.0
    var agreement = 0.0
    var decibels = 0.0
  }

  private func accuracy(_ flow: Flow, _ labelled: URL, limit: Int) throws -> Accuracy {
    let archive = try NPZArchive(labelled.path)
    let samples = try ArchiveSamples(archive, for: flow.float, limit: limit)
    let labels = Array(try archive.tensor(named: "label").int64Elements().prefix(samples.count))
    let float = try outputs(flow.float, samples).map { $0[0] }
    let quantized = try outputs(flow.canonical, samples).map { $0[0] }
    let classes = [float, quantized].map { $0.flatMap(TopOne.classes) }
    var ratio = SignalToNoise()
    for (left, right) in zip(float, quantized) { ratio.add(reference: left, quantized: right) }
    return Accuracy(
      float: TopOne.agreement(classes[0], labels), quantized: TopOne.agreement(classes[1], labels),
      agreement: TopOne.agreement(classes[0], classes[1]), decibels: ratio.decibels)
  }
}
