// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "storage/detail/symbol_table.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::storage::detail {

/// Chooses symbols by a sample of buckets. It begins with single bytes and joins neighbours where that saves bits,
/// round by round, as byte-pair encoding and FSST (Boncz, Neumann and Leis 2020) do, but counts the bits of a prefix
/// code.
class SymbolTrainer {
 public:
  /// As BucketWriter::write() has it.
  void add_bucket(std::span<const std::string> strings, std::size_t prefix);
  /// Bytes in which strings differ from the one before.
  [[nodiscard]] std::uint64_t bytes() const { return text_.size(); }
  /// `scale`: how many times the sample all strings are. Deterministic.
  [[nodiscard]] SymbolTable train(double scale) const;

 private:
  struct Text {
    std::uint64_t key;
    double count;
  };
  struct Usage {
    std::vector<Text> texts;  // as asked about, with the count of their uses
    std::vector<Text> pairs;  // of texts side by side, as one text
    double total = 0;         // of symbols, with the ends
  };
  [[nodiscard]] std::vector<Text> single_bytes(double scale) const;
  [[nodiscard]] Usage measure(std::vector<Text> texts) const;
  /// The texts that save most bits, those of a byte always.
  [[nodiscard]] static std::vector<Text> choose(const Usage& usage, double scale);
  [[nodiscard]] std::map<std::uint64_t, std::uint64_t> count_ends() const;

  std::string text_;
  std::vector<std::uint64_t> ends_;    // of each string in text_
  std::vector<std::uint64_t> shared_;  // by the next string
};

}  // namespace tessera::storage::detail
