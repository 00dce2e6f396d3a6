/// Text as it may stand in a page, inside elements and quoted attributes.
func escaped(_ text: String) -> String {
  var out = ""
  for character in text.unicodeScalars {
    switch character {
    case "&": out += "&amp;"
    case "<": out += "&lt;"
    case ">": out += "&gt;"
    case "\"": out += "&quot;"
    case "'": out += "&#39;"
    default: out.unicodeScalars.append(character)
    }
  }
  return out
}

/// Digits in groups of three, with narrow blanks between.
func grouped(_ digits: String) -> String {
  let point = digits.firstIndex(of: ".") ?? digits.endIndex
  let sign = digits.hasPrefix("-") ? "-" : ""
  var whole = Array(digits[..<point].dropFirst(sign.count))
  guard whole.count > 4 else { return digits }
  for place in stride(from: whole.count - 3, to: 0, by: -3) { whole.insert("\u{202F}", at: place) }
  return sign + String(whole) + digits[point...]
}

/// A number for people, with the plain one for programs in it.
func figure(_ value: Int) -> String { "<data value=\"\(value)\">\(grouped("\(value)"))</data>" }

func figure(_ value: Double, _ decimals: Int) -> String {
  let text = fixed(value, decimals)
  return "<data value=\"\(text)\">\(grouped(text))</data>"
}

/// A number of bytes in the unit that suits it.
func bytesFigure(_ count: Int) -> String {
  let units: [(String, Double)] = [("MiB", 1_048_576), ("KiB", 1024)]
  for (name, size) in units where Double(count) >= 10 * size {
    return "<data value=\"\(count)\">\(grouped(fixed(Double(count) / size, 1)))</data> \(name)"
  }
  return figure(count) + " B"
}
