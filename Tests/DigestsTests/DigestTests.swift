import Digests
import Foundation
import TestSupport
import Testing

@Suite struct DigestTests {
    @Test func `SHA-256 gives what its standard states`() {
        #expect(hexDigest([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(hexDigest(Data("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        let long = Data("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8)
        #expect(hexDigest(long) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }

    @Test func `a file is hashed in pieces to what its bytes give`() throws {
        let scratch = ScratchFolder()
        let bytes = Data((0..<(1 << 20) + 17).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 / 256) })
        let path = scratch.path + "/file"
        try bytes.write(to: URL(fileURLWithPath: path))
        #expect(try Digest.file(path) == hexDigest(bytes))
        // The output of md5sum for "abc".
        try Data("abc".utf8).write(to: URL(fileURLWithPath: path))
        #expect(try Digest.file(path, .md5) == "900150983cd24fb0d6963f7d28e17f72")
    }

    @Test func `what cannot be read is said`() throws {
        let scratch = ScratchFolder()
        let missing = scratch.path + "/missing"
        #expect(throws: DigestError(path: missing, code: ENOENT)) { try Digest.file(missing) }
        #expect(throws: DigestError(path: scratch.path, code: EISDIR)) { try Digest.file(scratch.path) }
    }
}
