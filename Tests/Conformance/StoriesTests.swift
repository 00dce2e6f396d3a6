import Executor
import Foundation
import Furc
import GraphIR
import Support
import Tensors
import Testing

/// A trained language model: its perplexity and its text, through the graph that reads a whole sequence and
/// through the one that carries keys and values from token to token.
struct StoriesTests {
  private static let folder = ModelFile.named("stories260k_prefill")

  /// The logits of the last positions.
  private struct Language {
    let executor: GraphExecutor
    var caches: InputSet = [:]
    var past = 0

    init(_ stem: String, passes: Bool, _ mode: GraphExecutor.Mode) throws {
      let model = try #require(ModelFile.named(stem).first)
      let session = Session()
      executor = session.executor(try model.graphs(session)[passes ? 1 : 0], mode)
      reset()
    }

    mutating func reset() {
      past = 0
      caches = [:]
      for port in executor.graph.inputPorts where port.name.hasPrefix("past_") {
        caches[port.name] = try? Tensor(TensorType(.f32, [1, 4, 0, 8]))
      }
    }

    /// Logits [tokens, vocabulary] of tokens behind those that the caches hold.
    mutating func logits(_ tokens: [Int]) throws -> [[Float]] {
      let (count, total) = (tokens.count, past + tokens.count)
      var inputs = caches
      inputs["input_ids"] = try Tensor(TensorType(.i64, [1, count]), tokens)
      inputs["position_ids"] = try Tensor(TensorType(.i64, [count]), Array(past..<total))
      let mask = (0..<count).flatMap { row in
        (0..<total).map { column -> Float in column <= past + row ? 0 : -1e9 }
      }
      inputs["mask"] = try Tensor(TensorType(.f32, [1, 1, count, total]), mask)
      let result = try executor.run(inputs)
      for name in caches.keys {
        caches[name] = result[name.replacing("past_", with: "present_")]
      }
      if !caches.isEmpty { past = total }
      let all = try #require(result["logits"]).floatElements()
      let width = all.count / count
      return (0..<count).map { Array(all[($0 * width)..<(($0 + 1) * width)]) }
    }
  }

  private func expected() throws -> NPZArchive {
    try NPZArchive(ModelFile.shared.appending(path: "stories260k/expected.npz").path)
  }

  @Test(.enabled(if: !folder.isEmpty), arguments: GraphExecutor.Mode.allCases, [false, true])
  func perplexity(_ mode: GraphExecutor.Mode, passes: Bool) throws {
    let tokens = try expected().tensor(named: "eval_tokens")
    let all = try tokens.int64Elements()
    var rows: [[Int]] = []
    for row in 0..<tokens.shape[0] {
      let width = tokens.shape[1]
      rows.append(all[(row * width)..<((row + 1) * width)].filter { $0 >= 0 })
    }
    var prefill = try Language("stories260k_prefill", passes: passes, mode)
    var cached = try Language("stories260k_kv", passes: passes, mode)
    var sums = [0.0, 0.0]
    var count = 0
    for row in rows {
      cached.reset()
      let whole = try prefill.logits(Array(row.dropLast()))
      for (position, next) in row.dropFirst().enumerated() {
        let single = try cached.logits([row[position]])[0]
        sums[0] += loss(whole[position], next)
        sums[1] += loss(single, next)
        count += 1
      }
    }
    for sum in sums { #expect(abs(exp(sum / Double(count)) - 3.1287) < 0.001) }
    #expect(count == 242)
  }

  /// -log softmax(logits)[token]
  private func loss(_ logits: [Float], _ token: Int) -> Double {
    let largest = Double(logits.max() ?? 0)
    return log(logits.reduce(0) { $0 + exp(Double($1) - largest) }) + largest - Double(logits[token])
  }

  @Test(.enabled(if: !folder.isEmpty), arguments: [false, true])
  func textIsTheSame(passes: Bool) throws {
    let wanted = try expected().tensor(named: "greedy_tokens").int64Elements()
    let prompt = try #require(try expected().tensor(named: "prompt_len").int64Elements().first)
    var prefill = try Language("stories260k_prefill", passes: passes, .fast)
    var cached = try Language("stories260k_kv", passes: passes, .fast)
    var byCache = Array(wanted[..<prompt])
    var pending = byCache
    var byPrefill = byCache
    while byCache.count < wanted.count {
      byCache.append(best(try #require(try cached.logits(pending).last)))
      pending = [byCache[byCache.count - 1]]
      byPrefill.append(best(try #require(try prefill.logits(byPrefill).last)))
    }
    #expect(byCache == wanted && byPrefill == wanted && wanted.count - prompt == 200)
  }

  private func best(_ logits: [Float]) -> Int {
    logits.indices.max { logits[$0] < logits[$1] } ?? 0
  }
}
