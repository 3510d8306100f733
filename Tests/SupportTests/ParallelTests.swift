import Support
import Synchronization
import Testing

@Suite struct ParallelTests {
  @Test(arguments: [1, 2, 7, 100]) func resultsComeInOrder(jobs: Int) throws {
    let items = Array(0..<50)
    let squares = try Parallel.map(items, jobs: jobs) { (item) throws(Diagnostic) in item * item }
    #expect(squares == items.map { $0 * $0 })
    #expect(try Parallel.map([Int](), jobs: jobs) { (_) throws(Diagnostic) in 0 } == [])
  }

  @Test(arguments: [1, 3]) func theFirstErrorByItemIsThrown(jobs: Int) {
    let begun = Atomic(0)
    let error = #expect(throws: Diagnostic.self) {
      try Parallel.map(Array(0..<1000), jobs: jobs) { (item) throws(Diagnostic) -> Int in
        begun.wrappingAdd(1, ordering: .relaxed)
        if item >= 10 { throw Diagnostic("item \(item)") }
        return item
      }
    }
    #expect(error?.message == "item 10")
    // What had begun ends, nothing else begins.
    #expect(begun.load(ordering: .relaxed) <= 10 + jobs)
  }

  @Test(arguments: [1, 2, 5]) func workIsTakenBackInOrder(jobs: Int) {
    var work = WorkQueue<Int>(jobs: jobs)
    var taken: [Int] = []
    for number in 0..<40 {
      if work.isFull, let done = work.next() { taken.append(done) }
      work.add { number * 3 }
    }
    while let done = work.next() { taken.append(done) }
    #expect(taken == (0..<40).map { $0 * 3 })
    #expect(work.next() == nil)
  }
}
