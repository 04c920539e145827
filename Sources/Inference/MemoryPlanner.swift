/// Places buffers with known lifetimes into one arena so that buffers alive at the same time never overlap.
struct MemoryPlanner {
    struct Request {
        let bytes: Int
        /// First to last step that uses the buffer, inclusive.
        var lifetime: ClosedRange<Int>
    }

    /// Byte offset of each request, and the arena's size. Greedy by size: largest first, each at the lowest offset that
    /// is free during its lifetime (Pisarchyk and Lee 2020).
    static func place(_ requests: [Request], alignment: Int = 64) -> (offsets: [Int], bytes: Int) {
        var offsets = Array(repeating: 0, count: requests.count)
        var placed: [Int] = []
        for index in requests.indices.sorted(by: { requests[$0].bytes > requests[$1].bytes }) {
            let request = requests[index]
            let rivals = placed.filter { requests[$0].lifetime.overlaps(request.lifetime) }
                .sorted { offsets[$0] < offsets[$1] }
            var offset = 0
            for rival in rivals where offsets[rival] < offset + request.bytes {
                let end = offsets[rival] + requests[rival].bytes
                offset = max(offset, (end + alignment - 1) / alignment * alignment)
            }
            offsets[index] = offset
            placed.append(index)
        }
        return (offsets, requests.indices.map { offsets[$0] + requests[$0].bytes }.max() ?? 0)
    }
}
