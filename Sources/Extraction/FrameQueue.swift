import Foundation
import ONNXRuntime

/// Frames that wait for a GPU, from many threads, in batches of one size.
///
/// `@unchecked Sendable`: every access to the mutable state, that of requests included, is made while holding `condition`.
final class FrameQueue: @unchecked Sendable {
    /// Frames, or windows, in a batch.
    let batch: Int
    /// Bytes of each.
    let pictureBytes: Int
    private let condition = NSCondition()
    private var waiting: [Request] = []
    private var (ready, running) = (0, 0)
    private var error: (any Error)?
    private var isStopped = false

    /// What one thread waits for.
    fileprivate final class Request {
        let pictures: [[UInt8]]
        let count: Int
        var rows: [Int: [Float]] = [:]
        var (taken, finished) = (0, 0)
        var error: (any Error)?

        init(pictures: [[UInt8]], count: Int) { (self.pictures, self.count) = (pictures, count) }
    }

    /// Some of the frames that a thread waits for.
    ///
    /// `@unchecked Sendable`: of the request only what never changes is read without the queue's lock.
    struct Piece: @unchecked Sendable {
        fileprivate let request: Request
        /// Of the request's frames.
        let first: Int
        /// How many.
        let count: Int
    }

    init(batch: Int, pictureBytes: Int) { (self.batch, self.pictureBytes) = (batch, pictureBytes) }

    // MARK: - Whoever decodes

    /// Features of frames, once they are computed.
    ///
    /// - Parameter pictures: whole ones, or parts of windows in a row.
    /// - Throws: what computing them threw.
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

    /// Returns when so many threads compute, or throws what kept one from it.
    func waitUntilReady(_ count: Int) throws {
        try condition.withLock {
            while ready < count, error == nil { condition.wait() }
            if let error { throw error }
        }
    }

    /// Ends the threads that compute, and waits for them.
    func stop() {
        condition.withLock {
            isStopped = true
            condition.broadcast()
            while running > 0 { condition.wait() }
        }
    }

    // MARK: - Whoever computes

    /// A thread is about to compute; `end` must follow.
    func begin() { condition.withLock { running += 1 } }

    /// A thread can compute.
    func addReady() {
        condition.withLock {
            ready += 1
            condition.broadcast()
        }
    }

    /// The frames that have waited longest, at most a batch; nil where there will be no more.
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

    /// - Parameter result: rows of features of all pieces, one after the other.
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

    /// A thread cannot compute.
    func fail(_ error: any Error) {
        condition.withLock {
            self.error = self.error ?? error
            condition.broadcast()
        }
    }

    /// A thread is done.
    func end() {
        condition.withLock {
            running -= 1
            condition.broadcast()
        }
    }
}

extension FrameQueue.Piece {
    /// Copies its frames, of so many bytes each, into the input from frame `place` on.
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
