// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tessera::partition {

/// The text of one source, block by block: a file, standard input or memory; plain, gzip (many members) or zstd (many
/// frames), told apart by the first bytes. Holds one block of raw bytes and the decoder's state.
class Input {
 public:
  /// `path` "-" is standard input. Throws Error(kMissingInput) when it cannot be opened or is a folder, Error(kBadData)
  /// when it is empty or of a kind that is recognised but not read (xz, bzip2, zip, UTF-16).
  static Input open(const std::string& path);
  /// `bytes` must outlive the input.
  static Input from_memory(std::string name, std::string_view bytes);
  ~Input();
  Input(Input&& other) noexcept;
  Input& operator=(Input&& other) noexcept;
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  /// Puts at least one byte of text into `out` and returns how many; 0 at the end, again and again. Throws
  /// Error(kBadData) for damaged or truncated compressed data, Error(kIo) when reading fails.
  std::size_t read(std::span<char> out);

  /// For messages: the path, or "standard input".
  [[nodiscard]] const std::string& name() const;
  /// "plain text", "gzip" or "zstd".
  [[nodiscard]] const char* encoding() const;
  /// Raw bytes read so far.
  [[nodiscard]] std::uint64_t raw_bytes() const;
  /// XXH3-128 of the raw bytes read so far, in hex; of the whole source once read() has returned 0.
  [[nodiscard]] std::string checksum() const;

 private:
  struct State;
  explicit Input(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Throws Error(kMissingInput) when `path` is not "-" and not a readable file; returns its size, 0 when unknown.
std::uint64_t check_input(const std::string& path);

}  // namespace tessera::partition
