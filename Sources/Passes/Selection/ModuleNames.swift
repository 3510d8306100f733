/// How scopes of modules are called whose class is not known (decisions.md, What a module is).
enum ModuleNames {
  /// True where the last name of a scope is one that modules of the kind have.
  static func isName(_ name: String, of kind: String) -> Bool {
    switch kind {
    case "matmul":
      name == "matmul" || name == "bmm" || name == "qk" || name == "av"
        || name.hasPrefix("matmul_") || isBlockProduct(name)
    case "softmax": name.contains("softmax")
    case "kv_cache": name.hasSuffix("_cache") || name == "cache"
    case "fused_sdpa": name == fused
    default: false
    }
  }

  /// The class that a scope's name alone shows.
  static func type(named name: String, of kind: String) -> String? {
    kind == "matmul" && isBlockProduct(name) ? "B2BMatmul" : nil
  }

  /// The part of an attention that every module of the kind is.
  static func part(of kind: String) -> String? {
    kind == "fused_sdpa" ? fused : nil
  }

  /// What optimum-habana calls the module that wraps the fused kernel.
  private static let fused = "fused_scaled_dot_product_attention"

  /// The products that map between batches and blocks of a paged cache.
  private static func isBlockProduct(_ name: String) -> Bool {
    name.hasPrefix("batch2block") || name.hasPrefix("block2batch")
  }
}
