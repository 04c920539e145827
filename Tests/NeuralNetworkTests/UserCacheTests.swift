import Foundation
import NeuralNetwork
import TestSupport
import Testing

@Suite struct UserCacheTests {
    @Test("files of the user's cache are written into a folder that nobody else enters") func permissions() throws {
        let scratch = ScratchFolder()
        let path = scratch.path + "/zoetrope/ranges/a.json"
        UserCache.write(Data("x".utf8), to: path)
        #expect(UserCache.contents(path) == Data("x".utf8))
        var status = stat()
        try #require(stat(scratch.path + "/zoetrope/ranges", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o700)
    }

    @Test("files that another user wrote, or may write, are not read, nor are special ones") func owners() throws {
        let scratch = ScratchFolder()
        let shared = try scratch.file("shared.json", "x")
        chmod(shared, 0o666)
        #expect(UserCache.contents(shared) == nil)
        let pipe = scratch.path + "/pipe.json"
        try #require(mkfifo(pipe, 0o600) == 0)
        #expect(UserCache.contents(pipe) == nil)
        // Only root can give a file away.
        guard geteuid() == 0 else { return }
        let other = try scratch.file("other.json", "x")
        chown(other, 65534, 65534)
        #expect(UserCache.contents(other) == nil)
    }
}
