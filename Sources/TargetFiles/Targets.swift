import Machine
import Support

/// The targets by name, or by the path of a file.
public enum Targets {
  /// The names of the built-in targets, in the order of `furc targets`.
  public static let names: [String] = builtinTargets.map(\.name)

  /// A built-in target. - Throws: `unknownTarget`.
  public static func builtin(_ name: String) throws(Diagnostic) -> TargetDescription {
    guard let file = builtinTargets.first(where: { $0.name == name }) else {
      throw Diagnostic(
        .unknownTarget, "no target is named '\(name)'",
        help: "known are \(names.joined(separator: ", ")), or give the path of a YAML file")
    }
    return try TargetReader.read(Array(file.yaml.utf8))
  }

  /// A built-in target, or the file at `name` if it ends in `.yaml` or `.yml` or has a `/`.
  /// - Throws: `unknownTarget`, `inputMissing`, `invalidTarget`.
  public static func find(_ name: String) throws(Diagnostic) -> TargetDescription {
    if name.contains("/") || name.hasSuffix(".yaml") || name.hasSuffix(".yml") {
      return try TargetReader.read(path: name)
    }
    return try builtin(name)
  }
}
