/// The place of a process in a distributed run: the suffix `_rank_world` of its files.
package struct Rank: Equatable, Sendable {
  package var rank: Int
  package var worldSize: Int

  package init(rank: Int, worldSize: Int) {
    self.rank = rank
    self.worldSize = worldSize
  }
}
