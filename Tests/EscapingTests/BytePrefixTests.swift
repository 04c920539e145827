import Escaping
import Testing

@Suite struct BytePrefixTests {
    @Test("what is before an ending or after a beginning is found by bytes, whatever combining characters follow")
    func parts() {
        #expect("module.weight".droppingBytePrefix("module.") == "weight")
        #expect(
            "module.\u{301}weight".droppingBytePrefix("module.").map { Array($0.utf8) } == Array("\u{301}weight".utf8))
        #expect("weight".droppingBytePrefix("module.") == nil)
        #expect("kernel:0".droppingByteSuffix(":0") == "kernel")
        #expect("a/data.pkl".droppingByteSuffix("data.pkl") == "a/")
        #expect("".droppingByteSuffix(":0") == nil)
        #expect("x".droppingBytePrefix("") == "x")
    }
}
