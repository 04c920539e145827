import Foundation
import ONNXRuntime

/// Collects frames of many threads into GPU batches of one size.
///
/// `@unchecked Sendable`: all mutable state, that of requests included, is accessed while holding `condition`.
final class DeviceBatcher: @unchecked Sendable {
    /// Frames, or windows, per batch.
    let batch: Int
    /// Bytes of one frame or window.
    let pictureBytes: Int
    private let condition = NSCondition()
    private var waiting: [Request] = []
    private var (ready, running) = (0, 0)
    private var error: (any Error)?
    private var isStopped = false

    /// The frames that one thread waits for.
    fileprivate final class Request {
        let pictures: [[UInt8]]
        let count: Int
        var rows: [Int: [Float]] = [:]
        var (taken, finished) = (0, 0)
        var error: (any Error)?

        init(pictures: [[UInt8]], count: Int) { (self.pictures, self.count) = (pictures, count) }
    }

    /// Some frames of a request.
    ///
    /// `@unchecked Sendable`: only immutable properties of the request are read without the lock.
    struct Piece: @unchecked Sendable {
        fileprivate let request: Request
        let first: Int
        let count: Int
    }

    init(batch: Int, pictureBytes: Int) { (self.batch, self.pictureBytes) = (batch, pictureBytes) }

    // MARK: - Decoding threads

    /// Waits for and returns the features of frames.
    ///
    /// - Parameter pictures: frames, or the frames of windows in order.
    /// - Throws: the error of the computing thread.
    func features(of pictures: [[UInt8]]) throws -> [Float] {
        let bytes = pictures.reduce(0) { $0 + $1.count }
        precondition(bytes % pictureBytes == 0 && bytes > 0)
        let request = Request(pictures: pictures, count: bytes / pictureBytes)
        return try condition.withLock {
            waiting.append(request)
            condition.broadcast()
            while request.finished < request.count {
                if let error { throw error }
                condition.wait()
            }
            if let error = request.error { throw error }
            return request.rows.sorted { $0.key < $1.key }.flatMap(\.value)
        }
    }

    /// Waits until `count` threads are ready, or throws the error that prevented one.
    func waitUntilReady(_ count: Int) throws {
        try condition.withLock {
            while ready < count, error == nil { condition.wait() }
            if let error { throw error }
        }
    }

    /// Stops the computing threads and waits for them.
    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
            while running > 0 { condition.wait() }
        }
    }

    // MARK: - Computing threads

    /// Registers a computing thread; `end` must follow.
    func begin() { condition.withLock { running += 1 } }

    func addReady() {
        condition.withLock {
            ready += 1
            condition.broadcast()
        }
    }

    /// Waits for and returns the oldest frames, at most a batch; nil after `stop`.
    func take() -> [Piece]? {
        condition.withLock {
            while waiting.isEmpty && !isStopped { condition.wait() }
            if isStopped { return nil }
            var pieces: [Piece] = []
            var filled = 0
            while filled < batch, let request = waiting.first {
                let count = min(batch - filled, request.count - request.taken)
                pieces.append(Piece(request: request, first: request.taken, count: count))
                (filled, request.taken) = (filled + count, request.taken + count)
                if request.taken == request.count { waiting.removeFirst() }
            }
            return pieces
        }
    }

    /// - Parameter result: feature rows of all pieces, concatenated.
    func finish(_ pieces: [Piece], _ result: Result<[Float], any Error>) {
        condition.withLock {
            var place = 0
            let size = pieces.reduce(0) { $0 + $1.count }
            for piece in pieces {
                switch result {
                case .success(let rows):
                    let row = rows.count / size
                    piece.request.rows[piece.first] = Array(rows[place * row..<(place + piece.count) * row])
                case .failure(let error): piece.request.error = error
                }
                piece.request.finished += piece.count
                place += piece.count
            }
            condition.broadcast()
        }
    }

    func fail(_ error: any Error) {
        condition.withLock {
            self.error = self.error ?? error
            condition.broadcast()
        }
    }

    func end() {
        condition.withLock {
            running -= 1
            condition.broadcast()
        }
    }
}

extension DeviceBatcher.Piece {
    /// Copies the frames into the input, from frame `place` on.
    func copy(of size: Int, to exchange: RuntimeExchange, at place: Int) {
        let (lower, upper) = (first * size, (first + count) * size)
        var start = 0
        for picture in request.pictures {
            let (from, to) = (max(lower, start), min(upper, start + picture.count))
            if from < to { exchange.write(picture[from - start..<to - start], at: place * size + from - lower) }
            start += picture.count
        }
    }
}
