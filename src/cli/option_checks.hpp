// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/text.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tessera::cli {

inline constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

/// A whole number from `least` to `most`; the message names what is allowed. (The library's own checks let "-1" through
/// as a large number.)
inline CLI::Validator whole_number(std::uint64_t least, std::uint64_t most = kAnyNumber) {
  const std::string range = most == kAnyNumber
                                ? fmt::format("a whole number, at least {}", least)
                                : fmt::format("a whole number from {} to {}", least, text::with_thousands(most));
  const auto check = [least, most, range](const std::string& text) -> std::string {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool good = error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
    return good ? "" : fmt::format("'{}' is not allowed; it takes {}", text, range);
  };
  return {check, ""};
}

/// A number above 0.
inline CLI::Validator positive_number() {
  return {[](const std::string& text) -> std::string {
            double value = 0;
            const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
            const bool good = error == std::errc() && end == text.data() + text.size() && value > 0 &&
                              value <= std::numeric_limits<float>::max();
            return good ? "" : fmt::format("'{}' is not allowed; it takes a number above 0", text);
          },
          ""};
}

/// One of some words.
inline CLI::Validator one_of(std::vector<std::string> words) {
  return {[words = std::move(words)](const std::string& text) -> std::string {
            for (const std::string& word : words)
              if (text == word) return "";
            const std::string guess = text::nearest(text, words);
            return fmt::format("'{}' is not known{}; it is one of: {}", text,
                               guess.empty() ? "" : fmt::format(" (did you mean '{}'?)", guess),
                               fmt::join(words, ", "));
          },
          ""};
}

/// One of the names of an enumeration, which becomes its value; for Option::transform.
template <class Enum>
CLI::Validator name_of(const std::map<std::string, Enum>& values) {
  std::vector<std::string> words;
  for (const auto& [word, value] : values) words.push_back(word);
  const auto known = one_of(words);
  return {[values, known](std::string& text) -> std::string {
            std::string problem = known(std::as_const(text));
            if (problem.empty()) text = std::to_string(static_cast<std::int64_t>(values.at(text)));
            return problem;
          },
          ""};
}

}  // namespace tessera::cli
