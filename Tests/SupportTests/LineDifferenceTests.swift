import Support
import Testing

/// The expected texts are those of GNU diff 3.8, `diff -u`, without its header.
@Suite struct LineDifferenceTests {
  @Test func `equal texts have none`() {
    #expect(LineDifference(from: "a\nb\n", to: "a\nb\n").text == "")
  }

  @Test func `a change stands between three lines on either side`() {
    let old = (1...10).map { "\($0)\n" }.joined()
    #expect(
      LineDifference(from: old, to: old.replacing("5\n", with: "five\nand\n")).text == """
        @@ -2,7 +2,8 @@
         2
         3
         4
        -5
        +five
        +and
         6
         7
         8

        """)
  }

  @Test func `changes far apart are two hunks`() {
    let old = (1...20).map { "\($0)\n" }.joined()
    let new = old.replacing("20\n", with: "").replacing("2\n", with: "", maxReplacements: 1)
    #expect(
      LineDifference(from: old, to: new).text == """
        @@ -1,5 +1,4 @@
         1
        -2
         3
         4
         5
        @@ -17,4 +16,3 @@
         17
         18
         19
        -20

        """)
  }
}
