// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"
#include "core/log.hpp"
#include "partition/import/fact_sink.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::partition::test {

/// A folder that is empty at the start and gone at the end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Writes a file and returns its path.
  [[nodiscard]] std::string write(const std::string& name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

std::string gzip(std::string_view text);
std::string zstd(std::string_view text);

/// Remembers what a reader finds, one string each: "h|r|t", "e|a|value|datatype", "line: reason".
class RecordingSink final : public FactSink {
 public:
  void triple(std::string_view head, std::string_view relation, std::string_view tail, std::uint64_t line) override;
  void attribute(std::string_view entity, std::string_view attribute, std::string_view value, std::string_view datatype,
                 std::uint64_t line) override;
  void bad_line(std::uint64_t line, const std::string& reason) override;
  std::vector<std::string> triples;
  std::vector<std::string> attributes;
  std::vector<std::string> bad;
};

/// Collects warnings and lines of information while it lives.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  [[nodiscard]] bool holds(std::string_view part) const;

 private:
  std::vector<std::string> messages_;
};

/// Expects that `action` throws an Error with this status and a message that has all the parts.
void expect_error(ExitStatus status, const std::vector<std::string>& parts, const std::function<void()>& action);

}  // namespace tessera::partition::test
