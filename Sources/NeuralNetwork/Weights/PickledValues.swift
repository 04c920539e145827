import Foundation

/// What a pickle of `torch.save` is made of.
extension Unpickler {
    indirect enum Value {
        case none
        case bool(Bool)
        case integer(Int)
        case float(Double)
        case text(String)
        /// An integer of more than 64 bits, or raw bytes.
        case bytes(Data)
        case tuple([Value])
        case list([Value])
        case dictionary([(key: Value, value: Value)])
        /// `module name`, known to be harmless.
        case global(String)
        case storage(StorageReference)
        case tensor(TensorReference)
    }

    /// A torch storage: numbers that stand somewhere else in the file.
    struct StorageReference {
        let key: String
        let type: ElementType
        /// Numbers in it.
        let count: Int
    }

    /// A view of a storage.
    struct TensorReference {
        let storage: StorageReference
        let offset: Int
        let shape: [Int]
        let strides: [Int]
    }
}
