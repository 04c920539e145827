import Foundation
import TestSupport
import Testing
@testable import Reports

/// Opens reports in Chromium, if it is installed.
@Suite struct BrowserTests {
    static let browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .first(where: FileManager.default.isExecutableFile)

    private func open(_ path: String, in folder: String, _ arguments: [String]) throws -> ChildProcess.Output {
        let common = [
            "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
            "--user-data-dir=\(folder)/profile",
        ]
        return try ChildProcess.run(try #require(Self.browser), common + arguments + ["file://" + path])
    }

    @Test(
        "a report opens without errors in desktop and mobile browsers", .enabled(if: browser != nil, "needs Chromium"),
        arguments: [1440, 390])
    func opens(width: Int) throws {
        let place = try ReportPlace(ReportTests.hostile, perClass: ReportTests.splits, files: 20)
        let path = place.path + "/r.html"
        _ = try RunReport(try place.run("one", kind: .attention) { $0 % 2 == 0 }).write(html: path)
        let output = try open(
            path, in: place.path, ["--window-size=\(width),3000", "--screenshot=\(place.path)/r.png"])
        #expect(!output.error.contains("CONSOLE"), "\(output.error)")
        let image = try #require(FileManager.default.contents(atPath: place.path + "/r.png"))
        #expect(image.count > 20_000)
    }

    @Test(
        "no page sends a request or contains an element from a label",
        .enabled(if: browser != nil, "needs Chromium"))
    func isSealed() throws {
        let server = try LocalServer()
        let scratch = ScratchFolder()
        let hostile = HostileTextTests.labels(marker: scratch.path + "/marker") + server.requests
        let pages = try [hostile, hostile.indices.map { "\(10 + $0) plain" }].map { names in
            let place = try ReportPlace(names, perClass: ReportTests.splits)
            return try HostileTextTests.reports(place, names).enumerated().map { number, report in
                let path = "\(place.path)/\(number).html"
                _ = try report.write(html: path)
                let output = try open(path, in: place.path, ["--virtual-time-budget=3000", "--dump-dom"])
                #expect(!output.error.contains("CONSOLE"), "\(output.error)")
                return HostileTextTests.elements(output.out)
            }
        }
        #expect(!server.wasAsked)
        for (own, expected) in zip(pages[0], pages[1]) {
            // Lines of a chart may differ: its labels have another length.
            let drawn: Set = [
                "path", "/path", "g", "/g", "text", "/text", "svg", "/svg", "use", "/use", "tspan", "/tspan",
            ]
            #expect(own.filter { !drawn.contains($0) } == expected.filter { !drawn.contains($0) })
            #expect(own.count > 50)
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + "/marker"))
    }
}

private final class LocalServer {
    let port: UInt16
    private let descriptor: Int32

    init() throws {
        (descriptor, port) = listeningSocket()
        try #require(descriptor >= 0)
    }

    deinit { close(descriptor) }

    /// Labels that would send a request if they were interpreted as markup.
    var requests: [String] {
        let address = "http://127.0.0.1:\(port)/x"
        return [
            "<img src=\(address)>", "<\u{301}img src=\(address)>", "\"><link rel=stylesheet href=\(address)>",
            "</style><style>@import '\(address)';</style>", "<meta http-equiv=refresh content='0;url=\(address)'>",
            "</script><script src=\(address)></script>", "<iframe src=\(address)>", "<svg><image href=\(address) />",
            "<base href=\(address)>", "url(\(address))", "<form action=\(address)><input autofocus></form>",
        ].enumerated().map { "\(60 + $0) \($1)" }
    }

    /// Whether a client connected.
    var wasAsked: Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, 0) != 0
    }
}
