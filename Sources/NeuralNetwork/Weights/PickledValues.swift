import Foundation

/// The values of a pickle. Containers and objects are indices into a list, because Python shares them: two references
/// to one dictionary have the same index, and a dictionary may contain itself.
enum PickledValue {
    case none, bool(Bool), integer(Int), float(Double), text(String)
    /// Raw bytes, or an integer of more than 64 bits.
    case bytes(Data)
    /// `module.name`: a class or a function, which is never called.
    case global(String)
    /// An index into `PickledObjects.all`.
    case object(Int)
    case storage(StorageReference), tensor(TensorReference)

    /// A torch storage: elements stored elsewhere in the file.
    struct StorageReference {
        let key: String
        /// Nil for an untyped storage; its tensors have the type.
        let type: ElementType?
        let bytes: Int
    }

    /// A strided view of a storage, within its bounds.
    struct TensorReference {
        let storage: StorageReference
        let type: ElementType
        /// In elements, as are `strides`.
        let offset: Int
        let shape, strides: [Int]
    }
}

/// A container, or an object of a class that is never instantiated: the arguments that the pickle would pass to Python.
struct PickledObject {
    /// `dict`, `list`, `tuple`, `set`, or the class as `module.name`.
    let kind: String
    /// Elements of a list, tuple or set, or an object's constructor arguments.
    var elements: [PickledValue] = []
    /// In insertion order; a later pair with the same key replaces the earlier.
    var pairs: [(key: PickledValue, value: PickledValue)] = []
    /// Attributes set after construction.
    var state: PickledValue = .none
}

/// The root value of a pickle, and all objects that it refers to.
struct PickledObjects {
    var root = PickledValue.none
    var all: [PickledObject] = []
    /// All storages by key, including those that no named tensor uses.
    var storages: [String: PickledValue.StorageReference] = [:]

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
