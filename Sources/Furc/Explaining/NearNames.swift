/// The names that a mistyped one may have meant: the three nearest by single edits, of those that share most of it.
func nearNames(to wanted: String, among names: [String]) -> [String] {
  let key = Array(wanted.lowercased().utf8)
  var seen: Set<String> = []
  let ranked = names.filter { !$0.isEmpty && seen.insert($0).inserted }.enumerated().map { index, name in
    let other = Array(name.lowercased().utf8)
    let isPart = !key.isEmpty && name.lowercased().contains(wanted.lowercased())
    return (
      name: name, index: index, edits: isPart ? 0 : edits(key, other), room: max(key.count, other.count)
    )
  }
  return ranked.filter { 2 * $0.edits <= $0.room }
    .sorted { ($0.edits, $0.name.utf8.count, $0.index) < ($1.edits, $1.name.utf8.count, $1.index) }
    .prefix(3).map(\.name)
}

/// Insertions, deletions and replacements that make one of the other.
private func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
  // Names of models are short; what is longer is far from everything.
  guard left.count <= 512, right.count <= 512 else { return max(left.count, right.count) }
  var row = Array(0...right.count)
  for (line, byte) in left.enumerated() {
    var diagonal = row[0]
    row[0] = line + 1
    for (column, other) in right.enumerated() {
      let replaced = diagonal + (byte == other ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
