/// A number with its noun, such as `1 run` or `1,200 classes`. `plural`: the noun with an "s" if nil.
package func counted(_ number: Int, _ noun: String, _ plural: String? = nil) -> String {
    "\(grouped(number)) \(number == 1 ? noun : plural ?? noun + "s")"
}
