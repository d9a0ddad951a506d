import Inspect
import Testing

@Suite struct MarkupTests {
  @Test func interpolatedTextCannotBecomeMarkup() {
    let name = "<script>alert('1')</script>\"&\u{202E}gpj.exe\u{0}\n"
    let cell: Markup = "<td title=\"\(name)\">\(name)</td>"
    let safe = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\u{FFFD}gpj.exe\u{FFFD} "
    #expect(cell.text == "<td title=\"\(safe)\">\(safe)</td>")
    #expect(("\(cell)\(3)\(2.345, digits: 2)" as Markup).text == cell.text + "32.35")
    #expect(("<b>\("Müller 猫 🐈")</b>" as Markup).text == "<b>Müller 猫 🐈</b>")
  }

  @Test func numbersReadWell() {
    #expect(("\(-0.04)" as Markup).text == "0.0" && ("\(Double.nan)" as Markup).text == "–")
    #expect(("\(12.0, digits: 0)" as Markup).text == "12" && ("\(-3.14159, digits: 3)" as Markup).text == "-3.142")
    #expect(("\(1e300)" as Markup).text == "–")
  }
}
