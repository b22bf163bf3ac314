#include "dispatcher/grpc/reflection.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/support/status_code_enum.h>

#include <set>
#include <string>

namespace ei::dispatcher::grpc_front {
namespace {

namespace pb = google::protobuf;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

constexpr char const* kServices[] = {"inference.GRPCInferenceService", "grpc.health.v1.Health",
                                     "grpc.reflection.v1.ServerReflection"};

void add_file(pb::FileDescriptor const& file, std::set<std::string>& added,
              grpc::reflection::v1::FileDescriptorResponse& out) {
  if (!added.insert(file.name()).second) return;
  pb::FileDescriptorProto proto;
  file.CopyTo(&proto);
  out.add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) add_file(*file.dependency(i), added, out);
}

void say_error(ServerReflectionResponse& out, grpc::StatusCode code, std::string message) {
  out.mutable_error_response()->set_error_code(static_cast<int>(code));
  out.mutable_error_response()->set_error_message(std::move(message));
}

void say_file(ServerReflectionResponse& out, pb::FileDescriptor const* file) {
  if (file == nullptr) return say_error(out, grpc::StatusCode::NOT_FOUND, "there is no such file or symbol");
  std::set<std::string> added;
  add_file(*file, added, *out.mutable_file_descriptor_response());
}

}  // namespace

ServerReflectionResponse reflection_answer(ServerReflectionRequest const& asked) {
  // The descriptors of what nobody has used yet are not in the pool.
  auto const& pool = *pb::DescriptorPool::generated_pool();
  ServerReflectionResponse out;
  out.set_valid_host(asked.host());
  *out.mutable_original_request() = asked;
  switch (asked.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (auto const* name : kServices) out.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case ServerReflectionRequest::kFileByFilename:
      say_file(out, pool.FindFileByName(asked.file_by_filename()));
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      say_file(out, pool.FindFileContainingSymbol(asked.file_containing_symbol()));
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      // No message here has extensions.
      if (pool.FindMessageTypeByName(asked.all_extension_numbers_of_type()) != nullptr) {
        out.mutable_all_extension_numbers_response()->set_base_type_name(
            asked.all_extension_numbers_of_type());
        break;
      }
      say_error(out, grpc::StatusCode::NOT_FOUND, "there is no such type");
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      say_error(out, grpc::StatusCode::NOT_FOUND, "there are no extensions");
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      say_error(out, grpc::StatusCode::INVALID_ARGUMENT, "the request asks nothing");
      break;
  }
  return out;
}

}  // namespace ei::dispatcher::grpc_front
