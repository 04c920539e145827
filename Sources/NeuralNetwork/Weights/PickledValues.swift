import Foundation

/// The values of a pickle. Containers and objects are places in a list, as Python shares them: two names of one dictionary
/// are one place, and a dictionary may contain itself.
enum PickledValue {
    case none
    case bool(Bool)
    case integer(Int)
    case float(Double)
    case text(String)
    /// Raw bytes, or an integer of more than 64 bits.
    case bytes(Data)
    /// `module.name`: a class or a function, which is never called.
    case global(String)
    /// A place in `PickledObjects.all`.
    case object(Int)
    case storage(StorageReference)
    case tensor(TensorReference)

    /// A torch storage: elements that lie somewhere else in the file.
    struct StorageReference {
        let key: String
        /// Nil for an untyped storage, whose tensors say what it holds.
        let type: ElementType?
        let bytes: Int
    }

    /// A strided view of a storage; all of its elements lie inside.
    struct TensorReference {
        let storage: StorageReference
        let type: ElementType
        /// In elements, as are `strides`.
        let offset: Int
        let shape: [Int]
        let strides: [Int]
    }
}

/// A container, or an object of a class that is never built: what the pickle would give Python to build it with.
struct PickledObject {
    /// `dict`, `list`, `tuple`, `set`, or the class as `module.name`.
    let kind: String
    /// Elements of a list, tuple or set; of an object the arguments it would be made with.
    var elements: [PickledValue] = []
    /// In the order in which they were set; a later pair of the same key replaces the earlier.
    var pairs: [(key: PickledValue, value: PickledValue)] = []
    /// Attributes that were set after it was made.
    var state: PickledValue = .none
}

/// What a pickle holds, and everything its containers refer to.
struct PickledObjects {
    var root = PickledValue.none
    var all: [PickledObject] = []
    /// Storages by key, whether a tensor with a name uses them or not.
    var storages: [String: PickledValue.StorageReference] = [:]

    /// The object that a value refers to, or nil.
    func object(_ value: PickledValue) -> PickledObject? {
        guard case .object(let place) = value, all.indices.contains(place) else { return nil }
        return all[place]
    }

    /// The elements of a tuple or list, or nil.
    func elements(_ value: PickledValue) -> [PickledValue]? {
        guard let object = object(value), ["tuple", "list", "torch.Size"].contains(object.kind) else { return nil }
        return object.elements
    }
}
