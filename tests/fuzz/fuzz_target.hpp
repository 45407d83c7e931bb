// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "core/text.hpp"
#include "partition/import/fact_sink.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

/// What every target defines: the entry that libFuzzer knows, and inputs to start from.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
std::vector<std::string> fuzz_seeds();

namespace tessera::fuzz {

/// Runs `body`; bad data is the one error that input may cause.
template <class Body>
void expect_no_defect(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    if (error.status() != ExitStatus::kBadData) std::terminate();
  }
}

inline void require(bool condition) {
  if (!condition) std::terminate();
}

/// Checks what readers promise about names and values.
class CheckingSink final : public partition::FactSink {
 public:
  /// Whether an attribute value may hold a NUL byte.
  explicit CheckingSink(bool nul_in_values) : nul_in_values_(nul_in_values) {}
  void triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) override {
    for (const std::string_view name : {head, relation, tail}) check_name(name);
    require(line > 0);
    ++facts_;
  }
  void attribute(std::string_view entity, std::string_view attribute, std::string_view value, std::string_view datatype,
                 std::uint64_t line) override {
    check_name(entity);
    check_name(attribute);
    check_text(value, nul_in_values_);
    check_text(datatype, false);
    require(line > 0);
    ++facts_;
  }
  void bad_line(std::uint64_t line, const std::string& reason) override { require(line > 0 && !reason.empty()); }
  [[nodiscard]] std::uint64_t facts() const { return facts_; }

 private:
  static void check_text(std::string_view text, bool nul) {
    require(tessera::text::is_utf8(text));
    require(nul || text.find('\0') == std::string_view::npos);
  }
  static void check_name(std::string_view name) {
    require(!name.empty());
    check_text(name, false);
  }
  bool nul_in_values_;
  std::uint64_t facts_ = 0;
};

}  // namespace tessera::fuzz
