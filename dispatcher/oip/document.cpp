#include "dispatcher/oip/document.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_stack.hpp>
#include <cmath>
#include <limits>
#include <utility>

#include "runtime/core/encoding.hpp"
#include "runtime/core/json.hpp"

namespace ei::dispatcher::oip {
namespace {

namespace json = boost::json;
using boost::json::error_code;

std::string shortened(std::string text) {
  return text.size() > 80 ? std::string(clipped(text, 77)) + "..." : text;
}

std::string quoted_string(std::string_view text) {
  return shortened(json::serialize(json::string(clipped(text, 80))));
}

// A conversion of a number beyond float32's range would be undefined.
float to_float(double value) {
  constexpr double kMost = std::numeric_limits<float>::max();
  if (std::abs(value) <= kMost) return static_cast<float>(value);
  return std::copysign(std::numeric_limits<float>::infinity(), value < 0 ? -1.0F : 1.0F);
}

// Takes the events below `inputs[].data`.
class DataSink {
 public:
  DataSink(Data& data, DocumentLimits const& limits) : data_(data), limits_(limits) {}

  // Each gives true when the data has ended with it.
  bool begin_array() {
    if (objects_ > 0) return false;
    if (!open_.empty()) ++open_.back();
    open_.push_back(0);
    return false;
  }
  bool end_array() {
    if (objects_ > 0) return false;
    std::size_t const depth = open_.size() - 1;
    std::size_t const size = open_.back();
    open_.pop_back();
    if (sizes_.size() <= depth) sizes_.resize(depth + 1);
    if (!sizes_[depth]) sizes_[depth] = size;
    if (*sizes_[depth] != size) ragged_ = true;
    if (depth > 0) return false;
    finish();
    return true;
  }
  bool begin_object() {
    if (objects_ == 0) element(data_.other, "an object");
    ++objects_;
    return false;
  }
  bool end_object() { return --objects_ == 0 && open_.empty(); }
  bool number(double value) {
    if (objects_ > 0) return false;
    if (data_.number && !open_.empty()) {
      count();
    } else {
      element(data_.number, to_json_text(value));
    }
    if (data_.numbers.size() < limits_.numbers) data_.numbers.push_back(to_float(value));
    return open_.empty();
  }
  bool string(std::string text) {
    if (objects_ > 0) return false;
    if (data_.string && !open_.empty()) {
      count();
    } else {
      element(data_.string, quoted_string(text));
    }
    if (data_.strings.size() < limits_.strings) data_.strings.push_back(std::move(text));
    return open_.empty();
  }
  bool other(char const* text) {
    if (objects_ > 0) return false;
    element(data_.other, text);
    return open_.empty();
  }
  [[nodiscard]] bool inside_object() const { return objects_ > 0; }

 private:
  void count() {
    if (leaf_depth_ && *leaf_depth_ != open_.size()) ragged_ = true;
    leaf_depth_ = open_.size();
    ++data_.elements;
    if (!open_.empty()) ++open_.back();
  }
  void element(std::optional<Element>& first, std::string text) {
    if (open_.empty()) data_.no_array = text;
    if (!first) first = Element{data_.elements, std::move(text)};
    count();
  }
  void finish() {
    if (ragged_ || (leaf_depth_ && *leaf_depth_ != sizes_.size())) return;
    data_.shape.emplace();
    for (auto const& size : sizes_) data_.shape->push_back(size.value_or(0));
  }

  Data& data_;
  DocumentLimits const& limits_;
  std::vector<std::size_t> open_;  // elements so far of each array that is open
  std::vector<std::optional<std::size_t>> sizes_;
  std::optional<std::size_t> leaf_depth_;
  std::size_t objects_ = 0;
  bool ragged_ = false;
};

// What the parser calls. Everything goes to a value stack, but what stands at inputs[].data to the sink.
class Handler {
 public:
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);

  explicit Handler(DocumentLimits const& limits) : limits_(limits) {}

  Document take() {
    document_.head = stack_.release();
    return std::move(document_);
  }
  [[nodiscard]] std::optional<Error> const& fault() const { return fault_; }

  bool on_document_begin(error_code&) {
    stack_.reset();
    return true;
  }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code& code) {
    if (sink_) return after(sink_->begin_array());
    open_ += '[';
    return counted(0, code);
  }
  bool on_array_end(std::size_t size, error_code&) {
    if (sink_) return after(sink_->end_array());
    open_.pop_back();
    stack_.push_array(size);
    return true;
  }
  bool on_object_begin(error_code& code) {
    if (sink_) return after(sink_->begin_object());
    open_ += '{';
    return counted(0, code);
  }
  bool on_object_end(std::size_t size, error_code&) {
    if (sink_) return after(sink_->end_object());
    open_.pop_back();
    stack_.push_object(size);
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, error_code& code) {
    if (sink_) return true;
    text_.append(part.data(), part.size());
    return counted(part.size(), code);
  }
  bool on_key(json::string_view part, std::size_t, error_code& code) {
    if (sink_) return true;
    text_.append(part.data(), part.size());
    stack_.push_key(text_);
    if (open_ == "{") in_inputs_ = text_ == "inputs";
    if (open_ == "{[{" && in_inputs_ && text_ == "data") begin_data();
    text_.clear();
    return counted(part.size(), code);
  }
  bool on_string_part(json::string_view part, std::size_t, error_code& code) {
    if (sink_ && sink_->inside_object()) return true;
    text_.append(part.data(), part.size());
    return sink_ || counted(part.size(), code);
  }
  bool on_string(json::string_view part, std::size_t, error_code& code) {
    if (sink_ && sink_->inside_object()) return true;
    text_.append(part.data(), part.size());
    if (sink_) return after(sink_->string(std::exchange(text_, {})));
    stack_.push_string(text_);
    text_.clear();
    return counted(part.size(), code);
  }
  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, json::string_view, error_code& code) {
    if (sink_) return after(sink_->number(static_cast<double>(value)));
    stack_.push_int64(value);
    return counted(0, code);
  }
  bool on_uint64(std::uint64_t value, json::string_view, error_code& code) {
    if (sink_) return after(sink_->number(static_cast<double>(value)));
    stack_.push_uint64(value);
    return counted(0, code);
  }
  bool on_double(double value, json::string_view, error_code& code) {
    if (sink_) return after(sink_->number(value));
    stack_.push_double(value);
    return counted(0, code);
  }
  bool on_bool(bool value, error_code& code) {
    if (sink_) return after(sink_->other(value ? "true" : "false"));
    stack_.push_bool(value);
    return counted(0, code);
  }
  bool on_null(error_code& code) {
    if (sink_) return after(sink_->other("null"));
    stack_.push_null();
    return counted(0, code);
  }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  void begin_data() {
    ++document_.data_count;
    if (document_.data_count == 1) document_.data.emplace();
    sink_.emplace(document_.data_count == 1 ? *document_.data : rest_, limits_);
  }
  void end_data() {
    sink_.reset();
    rest_ = {};
    stack_.push_null();
  }
  bool after(bool ended) {
    if (ended) end_data();
    return true;
  }
  bool counted(std::size_t bytes, error_code& code) {
    ++values_;
    bytes_ += bytes;
    if (values_ <= kMaxHeadValues && bytes_ <= kMaxHeadBytes) return true;
    fault_ =
        make_error(ErrorKind::Invalid, values_ > kMaxHeadValues
                                           ? "the request has more than " + std::to_string(kMaxHeadValues) +
                                                 " values outside of inputs[0].data"
                                           : "the request has more than " + std::to_string(kMaxHeadBytes) +
                                                 " bytes of strings outside of inputs[0].data");
    code = json::error::array_too_large;
    return false;
  }

  DocumentLimits limits_;
  Document document_;
  Data rest_;  // of a second `data`, which is refused later
  json::value_stack stack_;
  std::optional<DataSink> sink_;
  std::string text_;  // of the key or string so far
  std::string open_;  // the brackets that are open
  bool in_inputs_ = false;
  std::size_t values_ = 0;
  std::size_t bytes_ = 0;
  std::optional<Error> fault_;
};

}  // namespace

Result<Document> parse_document(std::string_view text, DocumentLimits const& limits) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<Handler> parser(options, limits);
  error_code code;
  std::size_t const used = parser.write_some(false, text.data(), text.size(), code);
  if (auto const& fault = parser.handler().fault()) return *fault;
  if (code == json::error::too_deep) {
    return make_error(ErrorKind::Invalid,
                      "the request is nested more than " + std::to_string(kMaxDepth) + " deep");
  }
  if (!code && used < text.size()) code = json::error::extra_data;
  if (code) {
    return make_error(ErrorKind::Invalid, "the body is not JSON: not valid JSON at byte " +
                                              std::to_string(used) + ": " + code.message());
  }
  return parser.handler().take();
}

std::string quoted(json::value const* value) {
  return value == nullptr ? "missing" : shortened(to_json_text(*value));
}

}  // namespace ei::dispatcher::oip
