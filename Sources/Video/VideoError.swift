import CFFmpeg
import Foundation

/// Why a clip cannot be used. Each case names the file and what to do.
public enum VideoError: LocalizedError, Equatable {
    case missing(path: String)
    case unreadable(path: String, reason: String)
    case changed(path: String)
    case notVideo(path: String, reason: String)
    case beyondLimits(path: String, reason: String)
    case noVideoStream(path: String)
    case noFrames(path: String)
    case noKeyframe(path: String)
    case shorterThanWindow(path: String, frames: Int, sampling: WindowSampling)
    case noDecoder(path: String, codec: String)
    case scaling(path: String, reason: String)
    case writing(path: String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .missing(let path): "\(path) does not exist. Check the path."
        case .unreadable(let path, let reason): "Cannot read \(path): \(reason). Check that it may be read."
        case .changed(let path):
            "\(path) was changed while it was read. Run the command again when nobody writes to it any more."
        case .notVideo(let path, let reason):
            "\(path) is not a video FFmpeg understands (\(reason)). Check it with ffprobe, or fetch it again."
        case .beyondLimits(let path, let reason):
            "\(path) is left out to spare the machine: \(reason). Cut or scale it first, if that is meant so."
        case .noVideoStream(let path):
            "\(path) has no video stream: it may be sound only. Leave it out with `dataset.exclude`."
        case .noFrames(let path): "No frame of \(path) can be decoded; it may be cut off or damaged. Fetch it again."
        case .noKeyframe(let path):
            "\(path) has no keyframe: it begins and ends in the middle of a group of pictures, so no frame can be decoded. Cut it "
                + "from its source again, beginning with a keyframe."
        case .shorterThanWindow(let path, let frames, let sampling):
            "\(path) does not fill half a window: \(frames) frames"
                + (sampling.framesPerSecond.map { " at \($0.formatted()) a second" } ?? "") + ", a window takes "
                + "\(sampling.length). Make windows shorter (`sampling.length`)"
                + (sampling.framesPerSecond == nil ? "." : ", or the clock faster (`sampling.frames_per_second`).")
        case .noDecoder(let path, let codec):
            "\(path): the installed FFmpeg has no decoder for \(codec). Install one that has, or convert the video."
        case .scaling(let path, let reason):
            "\(path): its pictures cannot be scaled: \(reason). Convert the video to another pixel format."
        case .writing(let path, let reason): "Cannot write \(path): \(reason). Name another place, or make room."
        }
    }

    /// FFmpeg's words for a negative return code.
    static func reason(_ code: Int32) -> String {
        var text = [CChar](repeating: 0, count: 256)
        av_strerror(code, &text, text.count)
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}
