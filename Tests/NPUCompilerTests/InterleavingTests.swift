import KernelIR
import Machine
import NPUCompiler
import NPUISA
import Support
import TargetFiles
import Testing

/// Stems: windows over few channels are read by rows of pixels. Channels apart are packed first, four to a pixel; channels that
/// came side by side are read as they came.
struct InterleavingTests {
  static let stems: [(channels: Int, size: Int, window: Int, stride: Int)] = [
    (3, 32, 3, 1), (3, 33, 3, 2), (2, 17, 5, 2), (4, 24, 7, 2), (3, 100, 3, 2), (3, 15, 2, 1),
  ]

  @Test(arguments: stems.indices, [NPUCompiler.WeightMode.resident, .streamed])
  func channelsApartArePacked(_ number: Int, _ weights: NPUCompiler.WeightMode) throws {
    let stem = Self.stems[number]
    var chain = try ConvolutionChain(channels: stem.channels, size: stem.size)
    try chain.convolve(to: 24, window: stem.window, stride: stem.stride)
    let program = try compiled(chain, weights)
    // The packing, a view, and the convolution.
    #expect(program.kernels.count == 3)
    #expect(packs(program))
  }

  @Test(arguments: stems.indices)
  func channelsSideBySideAreReadAsTheyCame(_ number: Int) throws {
    let stem = Self.stems[number]
    var chain = try ConvolutionChain(pixelsOf: stem.channels, size: stem.size)
    try chain.convolve(to: 24, window: stem.window, stride: stem.stride)
    let program = try compiled(chain, .resident)
    #expect(!packs(program))
  }

  @Test(arguments: [(channels: 1, window: 3), (5, 3), (3, 1)])
  func otherConvolutionsStayAsTheyAre(channels: Int, window: Int) throws {
    var chain = try ConvolutionChain(channels: channels, size: 16)
    try chain.convolve(to: 16, window: window)
    #expect(try compiled(chain, .resident).kernels.count == 1)
  }

  private func compiled(_ chain: ConvolutionChain, _ weights: NPUCompiler.WeightMode) throws -> NPUProgram {
    let machine = try Targets.builtin("warboy-2pe").machine
    var options = NPUCompiler.Options()
    options.weights = weights
    let program = try NPUCompiler.compile(chain.finished, on: machine, options).program
    try chain.expectValues(program, on: machine)
    return program
  }

  private func packs(_ program: NPUProgram) -> Bool {
    program.run.contexts[0].contains { instruction in
      guard case .tensor(let body) = instruction.body, case .commit(let commit) = body.sink else {
        return false
      }
      return commit.transposeRows == 4
    }
  }
}
