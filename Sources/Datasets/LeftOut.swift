import Video

/// A file or folder below a data set's root that is not part of a clip.
package struct LeftOut: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        case noVideo(FileContent), emptyFolder
        /// Deeper than `<root>/<label>/<video>`.
        case tooDeep
        /// In the root, or in a split's folder, and thus in no class folder.
        case noClass
        /// A special file such as `a named pipe`.
        case special(String)
        /// A link whose target cannot be reached, with the system's error.
        case brokenLink(String)
        /// A link to a folder that contains it.
        case linkLoop
        /// The name of another file that is canonically equivalent in Unicode.
        case sameName(String)
        case notUTF8, unreadable(String), noClips
        /// A folder of GTEA61 without `rgb`.
        case noFrames
    }

    /// Relative to the root; bytes that are not UTF-8 are shown as `\xE9`.
    package let path: String
    /// The class of its folder; nil if it is in none.
    package let label: String?
    package let reason: Reason
}

extension LeftOut.Reason {
    /// Text to append to the path: the reason and a remedy.
    package var description: String {
        switch self {
        case .noVideo(let content): "it is \(content.description)"
        case .emptyFolder: "it is an empty folder"
        case .tooDeep: "it is deeper than <root>/<label>/<video>: move it up, or list it with `layout: csv`"
        case .noClass: "it is not in a class folder: move it to <root>/<label>/<video>"
        case .special(let kind): "it is \(kind), not a regular file"
        case .brokenLink(let reason): "it is a broken link (\(reason))"
        case .linkLoop: "it is a link loop: it points to a folder that contains it"
        case .sameName(let other):
            "its name differs from \(Self.spelled(other)) beside it only in Unicode normalisation: rename one of them"
        case .notUTF8: "its name is not UTF-8: rename it"
        case .unreadable(let reason): "it cannot be opened (\(reason)): change its permissions"
        case .noClips: "it contains no clip"
        case .noFrames: "it has no folder `rgb`"
        }
    }

    /// The text with non-ASCII characters as `\u{301}`, to distinguish names that look the same.
    static func spelled(_ text: String) -> String {
        text.unicodeScalars.map { $0.isASCII ? String($0) : "\\u{\(String($0.value, radix: 16))}" }.joined()
    }

    fileprivate var summary: (one: String, many: String) {
        switch self {
        case .noVideo: ("is not a video", "are not videos")
        case .emptyFolder: ("is an empty folder", "are empty folders")
        case .tooDeep: ("is deeper than <root>/<label>/<video>", "are deeper than <root>/<label>/<video>")
        case .noClass: ("is not in a class folder", "are not in a class folder")
        case .special: ("is not a regular file", "are not regular files")
        case .brokenLink: ("is a broken link", "are broken links")
        case .linkLoop: ("is a link loop", "are link loops")
        case .sameName:
            (
                "has the name of another file in a different Unicode form",
                "have the names of other files in a different Unicode form"
            )
        case .notUTF8: ("has a name that is not UTF-8", "have names that are not UTF-8")
        case .unreadable: ("cannot be opened", "cannot be opened")
        case .noClips: ("contains no clip", "contain no clip")
        case .noFrames: ("has no folder `rgb`", "have no folder `rgb`")
        }
    }
}

/// The clips of a data set, and the entries below its root that are not clips.
package struct DatasetListing: Sendable, Equatable {
    /// Ordered by path.
    package var clips: [Clip]
    /// Ordered by path; empty for layouts with lists, in which only listed files count.
    package var leftOut: [LeftOut] = []
    /// Assumptions, such as a list's encoding, or files with other names than in the list.
    package var notes: [String] = []

    package var emptyClasses: [LeftOut] { leftOut.filter { $0.reason == .noClips } }
    /// Excluded entries other than class folders.
    package var leftOutFiles: [LeftOut] { leftOut.filter { $0.reason != .noClips } }

    /// Number of excluded entries and the reasons, such as `2 files are left out: 1 is no video, 1 lies in no class
    /// folder`; nil if there are none.
    package var summary: String? {
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
                "\(files.count) \(files.count == 1 ? "file is" : "files are") left out: "
                    + "\(reasons.joined(separator: ", "))")
        }
        let classes = emptyClasses.count
        if classes > 0 {
            parts.append("\(classes) class \(classes == 1 ? "folder contains" : "folders contain") no clip")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }
}

extension DatasetListing {
    /// Excludes clips whose path is canonically equivalent to another's: sets of paths cannot distinguish them.
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
