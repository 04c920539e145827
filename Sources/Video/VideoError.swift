import CFFmpeg
import Files
import Foundation

package enum VideoError: LocalizedError, Equatable {
    case missing(path: String), unreadable(path: String, reason: String), changed(path: String)
    case notVideo(path: String, reason: String), beyondLimits(path: String, reason: String)
    case noVideoStream(path: String, hasAudio: Bool), playlist(path: String), animatedWebP(path: String)
    /// A folder, and its content, such as `the videos a.mp4 and b.mp4`.
    case noImages(path: String, holds: String)
    case noFrames(path: String), noKeyframe(path: String)
    case shorterThanWindow(path: String, frames: Int, sampling: WindowSampling)
    case noDecoder(path: String, codec: String), scaling(path: String, reason: String)
    case writing(path: String, reason: String)

    package var errorDescription: String? {
        switch self {
        case .missing(let path):
            "\(path) does not exist. "
                + (path.unicodeScalars.contains("\u{FFFD}")
                    ? "If its name is not UTF-8, rename it. Check the path." : "Check the path.")
        case .unreadable(let path, let reason):
            "Cannot read \(path): \(reason). Name a regular file, or a folder of images, that may be read."
        case .changed(let path):
            "\(path) was changed while it was read. Run the command again when no other program writes to it."
        case .notVideo(let path, let reason):
            "\(path) is not a video that FFmpeg can read (\(reason)). Name a video, check the file with ffprobe, or "
                + "fetch it again."
        case .beyondLimits(let path, let reason): "\(path) exceeds a limit: \(reason). Cut or scale it first."
        case .noVideoStream(let path, let hasAudio):
            "\(path) \(hasAudio ? "holds audio only" : "has no video stream"). Name a video, or leave it out of a data "
                + "set with `dataset.exclude`."
        case .playlist(let path):
            "\(path) is a playlist, which names other files and holds no frames itself. Name the video that it refers "
                + "to."
        case .animatedWebP(let path):
            "\(path) is an animated WebP, which the installed FFmpeg cannot decode. Convert it to GIF, APNG or MP4."
        case .noImages(let path, let content):
            "\(path) is a folder without images; it holds \(content). Name a video in it, or a folder of images."
        case .noFrames(let path): "No frame of \(path) can be decoded; it may be cut off or damaged. Fetch it again."
        case .noKeyframe(let path):
            "\(path) has no keyframe: it begins and ends in the middle of a group of pictures, so no frame can be "
                + "decoded. Cut it from its source again, beginning with a keyframe."
        case .shorterThanWindow(let path, 1, let sampling) where ImageFolder.isImage(path.fileName):
            "\(path) is a single image, and a window takes \(sampling.length) frames. Name a video, or a folder of "
                + "images."
        case .shorterThanWindow(let path, let frames, let sampling):
            "\(path) is shorter than half a window: \(frames) \(frames == 1 ? "frame" : "frames")"
                + (sampling.framesPerSecond.map { " at \($0.formatted()) per second" } ?? "") + ", a window takes "
                + "\(sampling.length). Make windows shorter (`sampling.length`)"
                + (sampling.framesPerSecond == nil ? "." : ", or the clock faster (`sampling.frames_per_second`).")
        case .noDecoder(let path, let codec):
            "\(path): the installed FFmpeg has no decoder for \(codec). Install one that has, or convert the video."
        case .scaling(let path, let reason):
            "\(path): its frames cannot be scaled: \(reason). Convert the video to another pixel format."
        case .writing(let path, let reason): "Cannot write \(path): \(reason). Name another path, or free disk space."
        }
    }

    /// Why libavformat did not open a file: its actual content, or FFmpeg's message for the status.
    init(refusal status: Int32, of path: String) {
        switch try? FileContent.of(path) {
        case .playlist: self = .playlist(path: path)
        case .animatedWebP: self = .animatedWebP(path: path)
        case .text: self = .notVideo(path: path, reason: "it is a text file")
        case .unreadImage: self = .notVideo(path: path, reason: "it is an image in an unsupported format")
        case .unknown: self = .notVideo(path: path, reason: "it is of an unsupported format")
        case .damaged: self = .notVideo(path: path, reason: "it is damaged or cut off: " + Self.reason(status))
        default: self = .notVideo(path: path, reason: Self.reason(status))
        }
    }

    /// FFmpeg's message for a negative return code.
    static func reason(_ code: Int32) -> String {
        var text = [CChar](repeating: 0, count: 256)
        av_strerror(code, &text, text.count)
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}
