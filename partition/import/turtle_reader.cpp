// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/rdf_reader.hpp"

#include "core/error.hpp"

#include <serd/serd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>

namespace tessera::partition {
namespace {

constexpr std::string_view kXsdString = "http://www.w3.org/2001/XMLSchema#string";
constexpr std::size_t kPageBytes = std::size_t{1} << 16U;

struct FreeEnvironment {
  void operator()(SerdEnv* environment) const { serd_env_free(environment); }
};
struct FreeReader {
  void operator()(SerdReader* reader) const { serd_reader_free(reader); }
};

std::string_view text_of(const SerdNode& node) { return {reinterpret_cast<const char*>(node.buf), node.n_bytes}; }

// The library calls back from C: what a callback throws is kept and thrown again behind it.
class TurtleReader {
 public:
  TurtleReader(Input& input, std::string_view first, std::string_view blank_scope, FactSink& sink)
      : input_(input), rest_(first), blank_scope_(blank_scope), sink_(sink) {}

  void run(InputFormat format) {
    const std::string name = "file:///" + std::filesystem::path(input_.name()).filename().string();
    const SerdNode base = serd_node_from_string(SERD_URI, reinterpret_cast<const std::uint8_t*>(name.c_str()));
    environment_.reset(serd_env_new(&base));
    const std::unique_ptr<SerdReader, FreeReader> reader(serd_reader_new(
        format == InputFormat::kTriG ? SERD_TRIG : SERD_TURTLE, this, nullptr, &set_base, &set_prefix, &take, nullptr));
    serd_reader_set_strict(reader.get(), true);
    serd_reader_set_error_sink(reader.get(), &note, this);
    serd_reader_start_source_stream(
        reader.get(), &read, [](void*) { return 0; }, this, reinterpret_cast<const std::uint8_t*>(name.c_str()),
        kPageBytes);
    SerdStatus status = SERD_SUCCESS;
    while (status == SERD_SUCCESS && !thrown_) status = serd_reader_read_chunk(reader.get());
    if (thrown_) std::rethrow_exception(thrown_);
    if (status > SERD_FAILURE || !error_.empty()) report(status);
    std::array<char, 4096> block{};
    while (input_.read(block) > 0) {  // so that the checksum is of the whole file
    }
  }

  [[nodiscard]] std::uint64_t lines() const { return lines_; }

 private:
  static TurtleReader& self(void* handle) { return *static_cast<TurtleReader*>(handle); }

  template <class Action>
  SerdStatus guarded(const Action& action) {
    try {
      if (!thrown_) action();
    } catch (...) {
      thrown_ = std::current_exception();
    }
    return thrown_ ? SERD_ERR_INTERNAL : SERD_SUCCESS;
  }

  // As fread().
  static std::size_t read(void* out, std::size_t size, std::size_t count, void* handle) {
    TurtleReader& reader = self(handle);
    std::size_t got = 0;
    reader.guarded([&] {
      char* const bytes = static_cast<char*>(out);
      got = reader.rest_.copy(bytes, size * count);
      reader.rest_.remove_prefix(got);
      if (got == 0) got = reader.input_.read({bytes, size * count});
      reader.lines_ += static_cast<std::uint64_t>(std::count(bytes, bytes + got, '\n'));
    });
    return got;
  }

  static SerdStatus set_base(void* handle, const SerdNode* iri) {
    return serd_env_set_base_uri(self(handle).environment_.get(), iri);
  }
  static SerdStatus set_prefix(void* handle, const SerdNode* name, const SerdNode* iri) {
    return serd_env_set_prefix(self(handle).environment_.get(), name, iri);
  }

  static SerdStatus note(void* handle, const SerdError* error) {
    TurtleReader& reader = self(handle);
    if (!reader.error_.empty()) return SERD_SUCCESS;
    std::array<char, 512> text{};
    std::vsnprintf(text.data(), text.size(), error->fmt, *error->args);
    reader.error_ = text.data();
    while (reader.error_.ends_with('\n')) reader.error_.pop_back();
    reader.error_line_ = error->line;
    return SERD_SUCCESS;
  }

  void report(SerdStatus status) {
    if (error_.empty()) error_ = reinterpret_cast<const char*>(serd_strerror(status));
    sink_.bad_line(error_line_ > 0 ? error_line_ : lines_, error_ + " (the rest of the file is not read)");
  }

  static SerdStatus take(void* handle, SerdStatementFlags /*flags*/, const SerdNode* /*graph*/, const SerdNode* subject,
                         const SerdNode* predicate, const SerdNode* object, const SerdNode* datatype,
                         const SerdNode* language) {
    TurtleReader& reader = self(handle);
    return reader.guarded([&] { reader.give(*subject, *predicate, *object, datatype, language); });
  }

  void give(const SerdNode& subject, const SerdNode& predicate, const SerdNode& object, const SerdNode* datatype,
            const SerdNode* language) {
    name(subject, subject_);
    name(predicate, predicate_);
    if (object.type != SERD_LITERAL) {
      name(object, object_);
      return sink_.triple(subject_, predicate_, object_, lines_);
    }
    datatype_.clear();
    if (language != nullptr && language->buf != nullptr) {
      datatype_.assign("@").append(text_of(*language));
      for (char& c : datatype_)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    } else if (datatype != nullptr && datatype->buf != nullptr) {
      name(*datatype, datatype_);
      if (datatype_ == kXsdString) datatype_.clear();
    }
    sink_.attribute(subject_, predicate_, text_of(object), datatype_, lines_);
  }

  void name(const SerdNode& node, std::string& out) const {
    if (node.type == SERD_BLANK) {
      out.assign("_:").append(blank_scope_).append(text_of(node));
      return;
    }
    SerdNode whole = serd_env_expand_node(environment_.get(), &node);
    if (whole.buf == nullptr)
      fail(ExitStatus::kBadData, "{}: the prefix of '{}' is not declared", input_.name(), text_of(node));
    out.assign(text_of(whole));
    serd_node_free(&whole);
  }

  Input& input_;
  std::string_view rest_;  // read of the input already
  std::string blank_scope_;
  FactSink& sink_;
  std::unique_ptr<SerdEnv, FreeEnvironment> environment_;
  std::uint64_t lines_ = 0;
  std::string error_;
  std::uint64_t error_line_ = 0;
  std::exception_ptr thrown_;
  std::string subject_;
  std::string predicate_;
  std::string object_;
  std::string datatype_;
};

}  // namespace

bool reads_rdf() { return true; }

std::uint64_t read_rdf(Input& input, InputFormat format, std::string_view first, std::string_view blank_scope,
                       FactSink& sink) {
  if (format == InputFormat::kRdfXml) return read_rdf_xml(input, first, blank_scope, sink);
  TurtleReader reader(input, first, blank_scope, sink);
  reader.run(format);
  return reader.lines();
}

}  // namespace tessera::partition
