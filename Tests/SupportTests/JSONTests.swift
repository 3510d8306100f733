import Support
import Testing

private func parsed(_ text: String) throws -> JSON { try JSON.parse(Array(text.utf8)) }

private func message(_ bytes: [UInt8]) -> String {
  do throws(Diagnostic) {
    _ = try JSON.parse(bytes)
    return "accepted"
  } catch {
    return error.message
  }
}

@Suite struct JSONTests {
  /// Python's json.dumps of the same object, with `indent=4` and without.
  private let indented = #"""
    {
        "GlobalRank": null,
        "LocalRank": 0,
        "Mode": "Dyn\"am\\ic\n\t\u007f\u00e9\u4e2d\ud83d\ude00\u0001/",
        "Nodes": {
            "a": {
                "inputs": [
                    [
                        [
                            1.5
                        ]
                    ],
                    []
                ],
                "empty": {},
                "t": [
                    true,
                    false,
                    NaN,
                    Infinity,
                    -Infinity,
                    -3,
                    1e-07
                ]
            }
        }
    }
    """#
  private let inline =
    #"{"GlobalRank": null, "LocalRank": 0, "Mode": "Dyn\"am\\ic\n\t\u007f\u00e9\u4e2d\ud83d\ude00\u0001/", "#
    + #""Nodes": {"a": {"inputs": [[[1.5]], []], "empty": {}, "t": [true, false, NaN, Infinity, "#
    + #"-Infinity, -3, 1e-07]}}}"#

  @Test func whatPythonWritesIsWrittenBackByteForByte() throws {
    #expect(try parsed(indented).text() == indented)
    #expect(try parsed(inline).text(indent: nil) == inline)
    #expect(try parsed(indented) == parsed(inline))
    #expect(try parsed(inline)["Mode"] == .string("Dyn\"am\\ic\n\t\u{7F}é中😀\u{01}/"))
  }

  /// The shortest digits of NumPy's float32, laid out by Python's `repr`.
  @Test func floatsKeepTheirOwnDigits() {
    let spelled: [(UInt32, String)] = [
      (0x38D1_B717, "0.0001"), (0x38D1_B68E, "9.9999e-05"), (0x3DCC_CCCD, "0.1"),
      (0x3EAA_AAAB, "0.33333334"), (0x4209_2492, "34.285713"), (0x4B80_0000, "16777216.0"),
      (0x4B7F_FFFF, "16777215.0"), (0x4B00_0000, "8388608.0"), (0x5015_02F9, "10000000000.0"),
      (0x5A0E_1BCA, "1e+16"), (0x5BB1_A2BC, "1e+17"), (0x7F7F_FFFF, "3.4028235e+38"),
      (0x0000_0001, "1e-45"), (0x0080_0000, "1.1754944e-38"), (0, "0.0"), (0xBF40_0000, "-0.75"),
      (0x47F1_2065, "123456.79"),
    ]
    for (bits, text) in spelled {
      #expect(JSONNumber(Float(bitPattern: bits)).text == text)
    }
  }

  /// `repr` of Python 3.11, for the bits of each number.
  @Test func numbersAreSpelledAsPythonSpellsThem() {
    let spelled: [(UInt64, String)] = [
      (0x0000000000000000, "0.0"),
      (0x8000000000000000, "-0.0"),
      (0x3FF0000000000000, "1.0"),
      (0x400B400000000000, "3.40625"),
      (0x3F1A36E2EB1C432D, "0.0001"),
      (0x3EE4F8B588E368F1, "1e-05"),
      (0x3EE9E0FCAF9380FC, "1.234e-05"),
      (0x42DC12218377DE40, "123456789012345.0"),
      (0x430C6BF526340000, "1000000000000000.0"),
      (0x4341C37937E08000, "1e+16"),
      (0x4345EE2A2EB5A5C4, "1.2345678901234568e+16"),
      (0x4376345785D8A000, "1e+17"),
      (0x7E41EB2D66005835, "1.5e+300"),
      (0x0000000000000001, "5e-324"),
      (0x0010000000000000, "2.2250738585072014e-308"),
      (0x7FEFFFFFFFFFFFFF, "1.7976931348623157e+308"),
      (0x3FB999999999999A, "0.1"),
      (0x3FD5555555555555, "0.3333333333333333"),
      (0xBE90C6F7A0B5ED8D, "-2.5e-07"),
      (0x44E0A00000000000, "6.280747422216628e+23"),
      (0x4480F0CF064DD592, "1e+22"),
      (0x44B52D02C7E14AF6, "1e+23"),
      (0x3F30000000000000, "0.000244140625"),
      (0x3F202E85BE180B74, "0.00012345678901234567"),
      (0x3F1A36E2EB1C432E, "0.00010000000000000002"),
      (0x423CBE991A14587E, "123456789012.34567"),
      (0x3FD3333333333334, "0.30000000000000004"),
      (0x40F869FFFFFFFFFF, "99999.99999999999"),
      (0x433FFFFFFFFFFFFF, "9007199254740991.0"),
      (0x4330000000000000, "4503599627370496.0"),
      (0xC08F400000000000, "-1000.0"),
      (0x3F16000000000000, "8.392333984375e-05"),
      (0x3F09B0AB2E1693C0, "4.9e-05"),
      (0x4340000000000000, "9007199254740992.0"),
      (0x4059000000000000, "100.0"),
      (0x3810000000000000, "1.1754943508222875e-38"),
      (0x4164D8399F767C45, "10928588.983213553"),
      (0x5BC8FBBCBDE5C099, "1.4186613525849614e+134"),
      (0xB0C11FDECB91CE37, "-7.571968556055867e-74"),
      (0xD76D4330F1446BEA, "-1.4074705188261364e+113"),
      (0xA6EB8C9EBD69FE29, "-3.3339745473042614e-121"),
      (0x87B0B125EC1D7DA0, "-1.2342180766211395e-271"),
      (0xD7210DFF076CE2EF, "-5.126864004244935e+111"),
      (0xC6A5387777330BDB, "-2.1520217579844227e+32"),
      (0x3FC1EA36F17FD374, "0.1399601630397701"),
      (0x0D464138A6233255, "1.01853664031722e-244"),
      (0x2827688DE6A16A3B, "2.9704598186234577e-115"),
      (0x5F2DD97F1CFB10F6, "3.0534183338726823e+150"),
      (0xDE5271007814E8A2, "-2.3027782228163463e+146"),
      (0x617959CE3F1F65A8, "3.56409621163656e+161"),
      (0x1A1AFE878B33E968, "6.352929017207453e-183"),
      (0x3FD4235992EDCF45, "0.3146575865605324"),
      (0xBB2EDB20035B7399, "-1.2761724801771812e-23"),
      (0x687C966C377B9AA2, "2.0868668176225336e+195"),
      (0x2E9C82B1478C281D, "3.66898827745704e-84"),
      (0xDE11CC9DEA959C21, "-1.389122273370197e+145"),
      (0x63B229F1C4069545, "1.7548715433165102e+172"),
      (0xC30D8B7628DBD25E, "-1039514241563211.8"),
      (0x126A1E48CC11D357, "5.7804021771411506e-220"),
      (0x9E30691C238642EA, "-2.8497478716107576e-163"),
      (0x71E0C07E9E115E4B, "3.490691392124745e+240"),
      (0x21DA8978206F5C66, "1.3282314387596086e-145"),
      (0xF8EB18B900745130, "-2.9317061175715426e+274"),
      (0x015C33B2DF1461AA, "4.1124768973349897e-302"),
      (0xC60A3CAB359EEEFB, "-2.5983853818656714e+29"),
      (0xF5CAE3BF3729C619, "-2.5839922981649337e+259"),
      (0x2A759159FB7FF337, "3.7615508677292285e-104"),
      (0x2A9EBA0CDF561D80, "2.1435728770450893e-103"),
      (0x504B74BA4A0FE75D, "6.3583676891104784e+78"),
      (0x32EA6928F6236BF2, "2.0062829023357212e-63"),
      (0xE049548E8A0A8C96, "-6.792475937705741e+155"),
      (0xA02FDAA1AD864C44, "-1.1878910286585398e-153"),
      (0x2E81D66D346C6E2B, "1.1477511623364303e-84"),
      (0xF7F35634F0E3CD97, "-6.384685499984821e+269"),
      (0x3266AA3BB0CDE917, "6.725524671613862e-66"),
      (0xF7108E96F770C226, "-3.3367034274052276e+265"),
      (0x464CC41320000000, "4.5581414660613704e+30"),
      (0x3E21AEF560000000, "2.0586223836716044e-09"),
      (0x3CC7D6DF00000000, "6.616746098242737e-16"),
      (0x38585A01C0000000, "2.862515554153146e-37"),
      (0x3DC76F18A0000000, "4.2626142199297945e-11"),
      (0x3EA3753900000000, "5.798906386189628e-07"),
      (0x3AA7C18800000000, "3.837985797603897e-26"),
      (0x46F901B920000000, "8.115148186659987e+33"),
      (0x3A54CB8640000000, "1.049880072060875e-27"),
      (0x3C3892DFC0000000, "1.332144391219446e-18"),
      (0x390ACFF000000000, "6.454815804517804e-34"),
      (0x3D4F46A680000000, "2.2222919034489697e-13"),
      (0x3CD25DEB20000000, "1.0195660411925944e-15"),
      (0x4514125840000000, "6.066286728537185e+24"),
      (0x41A656AAE0000000, "187389296.0"),
      (0x4160D5A8E0000000, "8826183.0"),
      (0x380BB6E980000000, "1.0180699590028018e-38"),
      (0x4189213960000000, "52700972.0"),
      (0x42D8D194A0000000, "109153682980864.0"),
      (0x4352A43AA0000000, "2.09884851208192e+16"),
    ]
    for (bits, expected) in spelled {
      #expect(JSONNumber(Double(bitPattern: bits)).text == expected)
      #expect(JSONNumber(Double(bitPattern: bits)).double.bitPattern == bits)
    }
    #expect(JSONNumber(Double.nan).text == "NaN")
    #expect(JSONNumber(-Double.infinity).text == "-Infinity")
    #expect(JSONNumber(-7).text == "-7")
  }

  @Test func numbersKeepTheirSpelling() throws {
    for text in ["1E5", "-0", "1.50", "123456789012345678901234567890", "1e999", "-Infinity"] {
      guard case .number(let number) = try parsed(text) else {
        Issue.record("\(text) is no number")
        continue
      }
      #expect(number.text == text)
    }
    #expect(try JSONReader(parsed("-12")).integer() == -12)
    #expect(try JSONReader(parsed("1e999")).double() == .infinity)
  }

  @Test func faultsNameTheirLineAndColumn() {
    let cases: [(String, String)] = [
      ("", "line 1, column 1: found the end, expected a value"),
      (
        "{\n  \"a\": 1,\n  \"a\": 2}", "line 3, column 3: found key 'a' a second time in one object"
      ),
      ("[1, 2,]", "line 1, column 7: found ']', expected a value"),
      ("[1 2]", "line 1, column 4: found '2', expected ',' or ']'"),
      ("{1: 2}", "line 1, column 2: found '1', expected a key in double quotes"),
      ("[01]", "line 1, column 3: found '1', expected ',' or ']'"),
      ("1.", "line 1, column 3: found the end, expected a digit"),
      ("-", "line 1, column 2: found the end, expected a digit"),
      ("nul", "line 1, column 1: found 'n', expected a value"),
      ("[\"é\", tru]", "line 1, column 7: found 't', expected a value"),
      ("\"a\nb\"", "line 1, column 3: found a control character in a string"),
      ("\"abc", "line 1, column 5: found the end, expected '\"'"),
      ("\"\\ud800\"", "line 1, column 2: found a surrogate without its other half"),
      ("\"\\udc00\"", "line 1, column 2: found a surrogate without its other half"),
      ("\"\\ud800\\u0041\"", "line 1, column 2: found a surrogate without its other half"),
      ("\"\\x41\"", "line 1, column 2: found an unknown escape in a string"),
      ("\"\\u12G4\"", "line 1, column 6: found 'G', expected four hexadecimal digits"),
      ("1 1", "line 1, column 3: found '1', expected the end of the text"),
      (
        String(repeating: "[", count: 300),
        "line 1, column 202: found values nested more than 200 deep"
      ),
    ]
    for (text, expected) in cases { #expect(message(Array(text.utf8)) == expected) }
  }

  @Test func onlyUTF8WithoutAMarkIsRead() {
    let mark = "line 1, column 1: found a byte order mark, expected JSON in UTF-8 without one"
    #expect(message([0xEF, 0xBB, 0xBF, 0x31]) == mark)
    #expect(message([0xFF, 0xFE, 0x31, 0]) == mark)
    #expect(message([0x31, 0]) == "line 1, column 2: found '\0', expected the end of the text")
    #expect(
      message([0x22, 0xC3, 0x28, 0x22]) == "line 1, column 2: found a string that is not UTF-8")
    #expect(
      message([0x22, 0xED, 0xA0, 0x80, 0x22])
        == "line 1, column 2: found a string that is not UTF-8")
    #expect(message([0xC3]) == "line 1, column 1: found byte 195, expected a value")
  }

  @Test func everyTruncationAndMutationEndsInAMessageOrAValue() {
    let bytes = Array(indented.utf8)
    for count in 0..<bytes.count { #expect(message(Array(bytes[..<count])) != "accepted") }
    for index in bytes.indices {
      for value: UInt8 in [0, 0x22, 0x5C, 0x7B, 0x5D, 0x2C, 0x80, 0xFF] {
        var copy = bytes
        copy[index] = value
        _ = message(copy)
      }
    }
  }

  @Test func readersNameThePathWhatWasFoundAndWhatIsNear() throws {
    let json = try parsed(#"{"formats": [{"fullscale": "240", "rounding": "alined"}], "nam": 1}"#)
    let reader = JSONReader(json, file: "t.json")
    func failure(_ body: () throws -> Void) -> Diagnostic? {
      do {
        try body()
        return nil
      } catch {
        return error as? Diagnostic
      }
    }
    enum Rounding: String, CaseIterable { case aligned, pow2 }
    let format = try #require(try reader.member("formats").items().first)
    let wrong = failure { _ = try format.member("fullscale").double() }
    #expect(wrong?.message == "'formats[0].fullscale' is '240', expected a number")
    #expect(wrong?.status == .configuration && wrong?.location.file == "t.json")
    let missing = failure { _ = try reader.member("name") }
    #expect(missing?.message == "key 'name' is missing")
    #expect(missing?.notes == ["found the key 'nam'"])
    let unknown = failure { try reader.onlyKeys(["formats", "name"]) }
    #expect(unknown?.message == "unknown key 'nam'")
    #expect(unknown?.notes == ["did you mean 'name'?", "accepted: 'formats', 'name'"])
    let value = failure { _ = try format.member("rounding").choice(of: Rounding.self) }
    #expect(value?.message == "'formats[0].rounding' is 'alined', which is not accepted")
    #expect(value?.notes.first == "did you mean 'aligned'?")
    #expect(try format.optional("backoff") == nil)
  }
}
