internal import CONNX
internal import CProtobufC

/// The field tables of every message below `ModelProto`, read from the generated descriptors.
///
/// The scanner knows ONNX's messages only through this, so a field added to `schemas/onnx.proto` is
/// checked without a line of Swift.
struct MessageSchema: Sendable {
  struct Field: Sendable {
    enum Kind: Sendable {
      case varint
      case fixed32
      case fixed64
      case string
      case bytes
      /// The index of the nested message's type in `messages`.
      case message(Int)
    }

    let name: String
    let kind: Kind
    let isRepeated: Bool
  }

  struct Message: Sendable {
    let name: String
    /// Indexed by field number; `nil` where the message has no such field.
    var fields: [Field?]

    func field(_ number: UInt64) -> Field? {
      number < UInt64(fields.count) ? fields[Int(number)] : nil
    }
  }

  private(set) var messages: [Message] = []
  let model: Int
  let graph: Int
  let function: Int
  let node: Int
  let tensor: Int
  let sparseTensor: Int
  let valueInfo: Int

  static let onnx = MessageSchema()

  private init() {
    var builder = Builder()
    // The descriptors are constants of the generated C code and live as long as the process.
    unsafe model = builder.index(of: onnx_model_descriptor())
    func index(_ name: String) -> Int {
      guard let index = builder.messages.firstIndex(where: { $0.name == name }) else {
        preconditionFailure("schemas/onnx.proto has no message \(name) below ModelProto")
      }
      return index
    }
    graph = index("GraphProto")
    function = index("FunctionProto")
    node = index("NodeProto")
    tensor = index("TensorProto")
    sparseTensor = index("SparseTensorProto")
    valueInfo = index("ValueInfoProto")
    messages = builder.messages
  }

  private struct Builder {
    var messages: [Message] = []

    mutating func index(of descriptor: UnsafePointer<ProtobufCMessageDescriptor>) -> Int {
      let name = unsafe String(cString: descriptor.pointee.short_name)
      if let known = messages.firstIndex(where: { $0.name == name }) { return known }
      let index = messages.count
      messages.append(Message(name: name, fields: []))
      for position in 0..<Int(unsafe descriptor.pointee.n_fields) {
        let field = unsafe descriptor.pointee.fields[position]
        let number = Int(unsafe field.id)
        let kind: Field.Kind
        switch unsafe field.type {
        case PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FLOAT:
          kind = .fixed32
        case PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_DOUBLE:
          kind = .fixed64
        case PROTOBUF_C_TYPE_STRING: kind = .string
        case PROTOBUF_C_TYPE_BYTES: kind = .bytes
        case PROTOBUF_C_TYPE_MESSAGE:
          guard let nested = unsafe field.descriptor else {
            preconditionFailure("message field \(number) of \(name) has no descriptor")
          }
          kind = .message(
            unsafe self.index(
              of: nested.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)))
        default: kind = .varint
        }
        while messages[index].fields.count <= number { messages[index].fields.append(nil) }
        messages[index].fields[number] = Field(
          name: unsafe String(cString: field.name), kind: kind,
          isRepeated: unsafe field.label == PROTOBUF_C_LABEL_REPEATED)
      }
      return index
    }
  }
}
