/// Writes an archive of arrays as NumPy's `savez` does: stored, no compression.
///
/// Times are the least that the format has, so the same arrays give the same bytes.
package struct NPZWriter {
  private var bytes: [UInt8] = []
  private var list: [UInt8] = []
  private var count: UInt16 = 0

  package init() {}

  /// Adds the `.npy` file of an array; an archive holds less than 4 GiB and 65,535 arrays.
  package mutating func add(_ key: String, file: [UInt8]) {
    let name = Array("\(key).npy".utf8)
    let offset = UInt32(bytes.count)
    // Version 2.0, names in UTF-8, stored, midnight of 1980-01-01.
    let common: [UInt8] =
      number(20, 2) + number(0x0800, 2) + number(0, 2) + number(0, 2) + number(0x21, 2)
      + number(checksum(file, continuing: 0), 4) + number(UInt32(file.count), 4)
      + number(UInt32(file.count), 4) + number(UInt32(name.count), 2) + number(0, 2)
    bytes += number(0x0403_4B50, 4) + common + name
    bytes += file
    list += number(0x0201_4B50, 4) + number(20, 2) + common
    list += number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4) + number(offset, 4) + name
    count += 1
  }

  /// The bytes of the archive.
  package consuming func archive() -> [UInt8] {
    let end: [UInt8] =
      number(0x0605_4B50, 4) + number(0, 4) + number(UInt32(count), 2)
      + number(UInt32(count), 2) + number(UInt32(list.count), 4)
      + number(UInt32(bytes.count), 4) + number(0, 2)
    return bytes + list + end
  }

  private func number(_ value: UInt32, _ length: Int) -> [UInt8] {
    (0..<length).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
  }
}
