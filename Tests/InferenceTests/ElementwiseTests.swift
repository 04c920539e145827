import CElementwise
import Testing

@Suite struct ElementwiseTests {
    @Test(
        "a transposed matrix has rows for columns, whatever its sides", arguments: [1, 7, 8, 19, 32], [1, 8, 13, 40])
    func transposes(rows: Int, columns: Int) {
        let matrix = (0..<rows * columns).map(Float.init)
        var transposed = [Float](repeating: -1, count: matrix.count)
        elementwise_transpose(rows, columns, matrix, &transposed)
        for row in 0..<rows {
            for column in 0..<columns {
                #expect(transposed[column * rows + row] == matrix[row * columns + column])
            }
        }
    }
}
