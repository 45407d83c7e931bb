// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "partition/import/rdf_reader.hpp"

#include "core/error.hpp"

#include <dlfcn.h>
#include <raptor2.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tessera::partition {
namespace {

constexpr std::string_view kXsdString = "http://www.w3.org/2001/XMLSchema#string";
constexpr std::size_t kBlockBytes = std::size_t{1} << 16U;

constexpr const char* kLibrary = "libraptor2.so.0";

// The library is loaded when the first file of RDF/XML is read: it brings libxml2 and the data of ICU, some 35 MB.
class Raptor {
 public:
  static const Raptor& loaded() {
    static const Raptor library;
    return library;
  }

 private:
  Raptor() = default;
  static void* open() {
    void* const handle = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr)
      fail(ExitStatus::kUsage,
           "RDF/XML needs {}, which cannot be loaded ({}); install it, or turn the file into N-Triples elsewhere "
           "(rapper -o ntriples FILE)",
           kLibrary, dlerror());
    return handle;
  }
  template <class Function>
  Function find(const char* name) const {
    void* const found = dlsym(handle_, name);
    if (found == nullptr) fail(ExitStatus::kUsage, "{} has no function '{}'", kLibrary, name);
    return reinterpret_cast<Function>(found);
  }
  void* handle_ = open();  // until the end of the program

 public:
  decltype(&::raptor_new_world_internal) new_world_internal =
      find<decltype(&::raptor_new_world_internal)>("raptor_new_world_internal");
  decltype(&::raptor_free_world) free_world = find<decltype(&::raptor_free_world)>("raptor_free_world");
  decltype(&::raptor_world_open) world_open = find<decltype(&::raptor_world_open)>("raptor_world_open");
  decltype(&::raptor_world_set_log_handler) world_set_log_handler =
      find<decltype(&::raptor_world_set_log_handler)>("raptor_world_set_log_handler");
  decltype(&::raptor_new_parser) new_parser = find<decltype(&::raptor_new_parser)>("raptor_new_parser");
  decltype(&::raptor_free_parser) free_parser = find<decltype(&::raptor_free_parser)>("raptor_free_parser");
  decltype(&::raptor_parser_set_option) parser_set_option =
      find<decltype(&::raptor_parser_set_option)>("raptor_parser_set_option");
  decltype(&::raptor_parser_set_statement_handler) parser_set_statement_handler =
      find<decltype(&::raptor_parser_set_statement_handler)>("raptor_parser_set_statement_handler");
  decltype(&::raptor_parser_parse_start) parser_parse_start =
      find<decltype(&::raptor_parser_parse_start)>("raptor_parser_parse_start");
  decltype(&::raptor_parser_parse_chunk) parser_parse_chunk =
      find<decltype(&::raptor_parser_parse_chunk)>("raptor_parser_parse_chunk");
  decltype(&::raptor_parser_get_locator) parser_get_locator =
      find<decltype(&::raptor_parser_get_locator)>("raptor_parser_get_locator");
  decltype(&::raptor_new_uri) new_uri = find<decltype(&::raptor_new_uri)>("raptor_new_uri");
  decltype(&::raptor_free_uri) free_uri = find<decltype(&::raptor_free_uri)>("raptor_free_uri");
  decltype(&::raptor_uri_as_counted_string) uri_as_counted_string =
      find<decltype(&::raptor_uri_as_counted_string)>("raptor_uri_as_counted_string");
};

struct FreeWorld {
  void operator()(raptor_world* world) const { Raptor::loaded().free_world(world); }
};
struct FreeParser {
  void operator()(raptor_parser* parser) const { Raptor::loaded().free_parser(parser); }
};
struct FreeUri {
  void operator()(raptor_uri* uri) const { Raptor::loaded().free_uri(uri); }
};

std::string_view text_of(const unsigned char* text, std::size_t bytes) {
  return {reinterpret_cast<const char*>(text), bytes};
}

std::string_view text_of(raptor_uri* uri) {
  std::size_t bytes = 0;
  const unsigned char* text = Raptor::loaded().uri_as_counted_string(uri, &bytes);
  return text_of(text, bytes);
}

// The library calls back from C: what a callback throws is kept and thrown again behind it.
class RdfXmlReader {
 public:
  RdfXmlReader(std::string_view blank_scope, FactSink& sink)
      : blank_scope_(blank_scope), sink_(sink), world_(raptor_.new_world_internal(RAPTOR_VERSION)) {
    if (!world_ || raptor_.world_open(world_.get()) != 0) fail(ExitStatus::kInternal, "{} does not start", kLibrary);
    raptor_.world_set_log_handler(world_.get(), this, [](void* self, raptor_log_message* message) {
      static_cast<RdfXmlReader*>(self)->note(*message);
    });
    parser_.reset(raptor_.new_parser(world_.get(), "rdfxml"));
    if (!parser_) fail(ExitStatus::kUsage, "this libraptor2 reads no RDF/XML");
    for (const raptor_option option : {RAPTOR_OPTION_NO_NET, RAPTOR_OPTION_NO_FILE})
      raptor_.parser_set_option(parser_.get(), option, nullptr, 1);
    for (const raptor_option option : {RAPTOR_OPTION_LOAD_EXTERNAL_ENTITIES, RAPTOR_OPTION_CHECK_RDF_ID})
      raptor_.parser_set_option(parser_.get(), option, nullptr, 0);
    raptor_.parser_set_statement_handler(parser_.get(), this, [](void* self, raptor_statement* statement) {
      static_cast<RdfXmlReader*>(self)->take(*statement);
    });
  }

  void run(Input& input, std::string_view first) {
    const std::string name = "file:///" + std::filesystem::path(input.name()).filename().string();
    const std::unique_ptr<raptor_uri, FreeUri> base(
        raptor_.new_uri(world_.get(), reinterpret_cast<const unsigned char*>(name.c_str())));
    raptor_.parser_parse_start(parser_.get(), base.get());
    std::vector<char> block(kBlockBytes);
    parse(first, false);
    while (!failed_) {
      const std::size_t count = input.read(block);
      parse({block.data(), count}, count == 0);
      if (count == 0) break;
    }
    while (input.read(block) > 0) {  // so that the checksum is of the whole file
    }
  }

  [[nodiscard]] std::uint64_t lines() const { return lines_; }

 private:
  void parse(std::string_view text, bool is_end) {
    lines_ += static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
    const int status = raptor_.parser_parse_chunk(parser_.get(), reinterpret_cast<const unsigned char*>(text.data()),
                                                  text.size(), is_end ? 1 : 0);
    if (thrown_) std::rethrow_exception(thrown_);
    if (status == 0 && error_.empty()) return;
    failed_ = true;
    sink_.bad_line(error_line_,
                   (error_.empty() ? "cannot be understood" : error_) + " (the rest of the file is not read)");
  }

  void note(const raptor_log_message& message) {
    if (message.level < RAPTOR_LOG_LEVEL_ERROR || !error_.empty()) return;
    error_ = message.text;
    error_line_ = message.locator != nullptr && message.locator->line > 0
                      ? static_cast<std::uint64_t>(message.locator->line)
                      : lines_;
  }

  void take(const raptor_statement& statement) {
    if (thrown_ || failed_ || !error_.empty()) return;
    try {
      give(statement);
    } catch (...) {
      thrown_ = std::current_exception();
    }
  }

  void give(const raptor_statement& statement) {
    const raptor_locator* place = raptor_.parser_get_locator(parser_.get());
    const auto line = static_cast<std::uint64_t>(place != nullptr ? std::max(0, place->line) : 0);
    const std::string_view subject = name(*statement.subject, subject_);
    const std::string_view predicate = name(*statement.predicate, predicate_);
    const raptor_term& object = *statement.object;
    if (object.type != RAPTOR_TERM_TYPE_LITERAL) return sink_.triple(subject, predicate, name(object, object_), line);
    const raptor_term_literal_value& literal = object.value.literal;
    sink_.attribute(subject, predicate, text_of(literal.string, literal.string_len), datatype(literal), line);
  }

  std::string_view name(const raptor_term& term, std::string& memory) const {
    if (term.type == RAPTOR_TERM_TYPE_URI) return text_of(term.value.uri);
    const std::string_view label = text_of(term.value.blank.string, term.value.blank.string_len);
    return memory.assign("_:").append(blank_scope_).append(label);
  }

  std::string_view datatype(const raptor_term_literal_value& literal) {
    if (literal.language != nullptr) {
      datatype_.assign("@").append(text_of(literal.language, literal.language_len));
      for (char& c : datatype_)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
      return datatype_;
    }
    if (literal.datatype == nullptr) return {};
    const std::string_view type = text_of(literal.datatype);
    return type == kXsdString ? std::string_view() : type;
  }

  const Raptor& raptor_ = Raptor::loaded();
  std::string blank_scope_;
  FactSink& sink_;
  std::unique_ptr<raptor_world, FreeWorld> world_;
  std::unique_ptr<raptor_parser, FreeParser> parser_;
  std::uint64_t lines_ = 0;
  std::string error_;
  std::uint64_t error_line_ = 0;
  bool failed_ = false;
  std::exception_ptr thrown_;
  std::string subject_;
  std::string predicate_;
  std::string object_;
  std::string datatype_;
};

}  // namespace

std::uint64_t read_rdf_xml(Input& input, std::string_view first, std::string_view blank_scope, FactSink& sink) {
  RdfXmlReader reader(blank_scope, sink);
  reader.run(input, first);
  return reader.lines();
}

}  // namespace tessera::partition
