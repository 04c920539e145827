import Foundation
import TestSupport
import Testing

@testable import Reports

/// Opens reports in Chromium, where it is installed.
@Suite struct BrowserTests {
    static let browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .first(where: FileManager.default.isExecutableFile)

    @Test("a report opens without an error on desks and phones", .enabled(if: browser != nil), arguments: [1440, 390])
    func opens(width: Int) throws {
        let place = try ReportPlace(ReportTests.hostile, perClass: ReportTests.splits, files: 20)
        let path = place.path + "/r.html"
        _ = try RunReport(try place.run("one", kind: .attention) { $0 % 2 == 0 }).write(html: path)
        let arguments = [
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
            "--user-data-dir=\(place.path)/profile", "--window-size=\(width),3000", "--screenshot=\(place.path)/r.png",
            "file://" + path,
        ]
        let messages = try ChildProcess.run(try #require(Self.browser), arguments).error
        #expect(!messages.contains("CONSOLE"), "\(messages)")
        let picture = try #require(FileManager.default.contents(atPath: place.path + "/r.png"))
        #expect(picture.count > 20_000)
    }
}
