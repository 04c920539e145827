import Video

/// A file or folder under a data set's root that is part of no clip.
public struct LeftOut: Sendable, Equatable {
    /// Why it is no clip.
    public enum Reason: Sendable, Equatable {
        case noVideo(FileContent)
        case emptyFolder
        /// Deeper than `<root>/<label>/<video>`.
        case tooDeep
        /// In the root, or in the folder of a split, and so in no class.
        case noClass
        /// Such as `a named pipe`.
        case special(String)
        /// A link whose target cannot be reached, with the system's reason.
        case brokenLink(String)
        /// A link to a folder that contains it.
        case linkLoop
        /// The name of another file, which Unicode holds equal to its own.
        case sameName(String)
        case notUTF8
        /// The system's reason.
        case unreadable(String)
        /// A class folder in which no clip was found.
        case noClips
        /// A folder of GTEA61 without `rgb`.
        case noFrames
    }

    /// Relative to the root; bytes that are not UTF-8 are shown as `\xE9`.
    public let path: String
    /// The class of the folder that it lies in; nil if it lies in none.
    public let label: String?
    /// Why it is no clip.
    public let reason: Reason
}

extension LeftOut.Reason {
    /// What to say after the path: why, and what helps.
    public var description: String {
        switch self {
        case .noVideo(let content): "it is \(content.description)"
        case .emptyFolder: "it is an empty folder"
        case .tooDeep: "it lies deeper than <root>/<label>/<video>: move it up, or list it with `layout: csv`"
        case .noClass: "it lies in no class folder: move it to <root>/<label>/<video>"
        case .special(let kind): "it is \(kind), not a regular file"
        case .brokenLink(let reason): "it is a broken link (\(reason))"
        case .linkLoop: "it is a link loop: it leads to a folder that contains it"
        case .sameName(let other):
            "its name differs from \(Self.spelled(other)) beside it only in Unicode normalisation: rename one of them"
        case .notUTF8: "its name is not UTF-8: rename it"
        case .unreadable(let reason): "it cannot be opened (\(reason)): change who may read it"
        case .noClips: "it holds no clip"
        case .noFrames: "it has no folder `rgb`"
        }
    }

    /// The text with all that is not ASCII as `\u{301}`: names that look the same can be told apart.
    static func spelled(_ text: String) -> String {
        text.unicodeScalars.map { $0.isASCII ? String($0) : "\\u{\(String($0.value, radix: 16))}" }.joined()
    }

    /// What is said of several in a summary, for one and for many.
    fileprivate var summary: (one: String, many: String) {
        switch self {
        case .noVideo: ("is no video", "are no videos")
        case .emptyFolder: ("is an empty folder", "are empty folders")
        case .tooDeep: ("lies deeper than <root>/<label>/<video>", "lie deeper than <root>/<label>/<video>")
        case .noClass: ("lies in no class folder", "lie in no class folder")
        case .special: ("is no regular file", "are no regular files")
        case .brokenLink: ("is a broken link", "are broken links")
        case .linkLoop: ("is a link loop", "are link loops")
        case .sameName:
            ("has a name that is there in another Unicode form", "have names that are there in another Unicode form")
        case .notUTF8: ("has a name that is not UTF-8", "have names that are not UTF-8")
        case .unreadable: ("cannot be opened", "cannot be opened")
        case .noClips: ("holds no clip", "hold no clip")
        case .noFrames: ("has no folder `rgb`", "have no folder `rgb`")
        }
    }
}

/// The clips of a data set, and what under its root is none.
public struct DatasetListing: Sendable, Equatable {
    /// Ordered by path.
    public var clips: [Clip]
    /// Ordered by path; empty for layouts that lists define, in which only what a list names counts.
    public var leftOut: [LeftOut] = []
    /// What was guessed, such as a list's encoding, or files with another name than in the list.
    public var notes: [String] = []

    /// Class folders in which no clip was found.
    public var emptyClasses: [LeftOut] { leftOut.filter { $0.reason == .noClips } }
    /// What is left out but class folders.
    public var leftOutFiles: [LeftOut] { leftOut.filter { $0.reason != .noClips } }

    /// How many are left out and why, such as `2 files are left out: 1 is no video, 1 lies in no class folder`; nil if none is.
    public var summary: String? {
        let files = leftOutFiles
        var parts: [String] = []
        if !files.isEmpty {
            let counts = files.reduce(into: [(one: String, many: String, count: Int)]()) { counts, file in
                let (one, many) = file.reason.summary
                if let place = counts.firstIndex(where: { $0.many == many }) {
                    counts[place].count += 1
                } else {
                    counts.append((one, many, 1))
                }
            }
            let reasons = counts.sorted { ($1.count, $0.many) < ($0.count, $1.many) }.map {
                "\($0.count) \($0.count == 1 ? $0.one : $0.many)"
            }
            parts.append(
                "\(files.count) \(files.count == 1 ? "file is" : "files are") left out: \(reasons.joined(separator: ", "))"
            )
        }
        let classes = emptyClasses.count
        if classes > 0 { parts.append("\(classes) class \(classes == 1 ? "folder holds" : "folders hold") no clip") }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

extension DatasetListing {
    /// Leaves out clips whose path is another's in a different Unicode form: for sets and dictionaries of paths they are one.
    mutating func separateEquivalentPaths() {
        var first: [String: String] = [:]
        for path in clips.map(\.path).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
            first[path] = first[path] ?? path
        }
        let isOther = clips.map { clip in !(first[clip.path] ?? "").utf8.elementsEqual(clip.path.utf8) }
        guard isOther.contains(true) else { return }
        for (clip, isOther) in zip(clips, isOther) where isOther {
            let reason = LeftOut.Reason.sameName(first[clip.path] ?? "")
            leftOut.append(LeftOut(path: clip.path, label: clip.label, reason: reason))
        }
        clips = zip(clips, isOther).filter { !$0.1 }.map(\.0)
    }
}
