import Support

@main
struct Main {
  static func main() {}
}
