import Files
import Testing

@Suite struct PathNameTests {
    @Test(
        "a path's name, extension and rest are those of Foundation, also where Foundation ends the program",
        arguments: [
            ("a/b.mp4", "b.mp4", "mp4", "a/b"), ("b", "b", "", "b"), (".hidden", ".hidden", "", ".hidden"),
            ("", "", "", ""),
            ("a.d/b", "b", "", "a.d/b"), ("a.", "a.", "", "a."), ("a.tar.gz", "a.tar.gz", "gz", "a.tar"),
            ("..", "..", "", ".."),
            ("a/b.c/", "b.c", "c", "a/b"), ("/\u{301}", "\u{301}", "", "/\u{301}"),
            ("a/\u{301}.MOV", "\u{301}.MOV", "MOV", "a/\u{301}"),
            ("x.\u{301}y", "x.\u{301}y", "\u{301}y", "x"), ("é/\u{0}.\r\n", "\u{0}.\r\n", "\r\n", "é/\u{0}"),
        ])
    func parts(path: String, name: String, ending: String, rest: String) {
        #expect(path.fileName.utf8.elementsEqual(name.utf8), "\(path)")
        #expect(path.fileExtension.utf8.elementsEqual(ending.utf8), "\(path)")
        #expect(path.droppingFileExtension.utf8.elementsEqual(rest.utf8), "\(path)")
    }
}
