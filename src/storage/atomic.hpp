// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace tessera::storage {

/// A file or folder that lives until it is committed under another name, or not at all: its path is removed with this
/// object, or by remove_open_temporaries().
class Temporary {
 public:
  explicit Temporary(std::filesystem::path path);
  ~Temporary();
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// It has been renamed: there is nothing to remove any more.
  void release();

 private:
  std::filesystem::path path_;
  bool released_ = false;
};

/// Removes every path that a Temporary of this process holds. For a program that must end now; a thread that writes
/// them fails.
void remove_open_temporaries();

/// A file that is written under a temporary name (".NAME.tmp-HOST-PID") beside its final one and appears there whole or
/// not at all. Making one removes what a process of this host left that was killed while it wrote the same.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path final_path);

  [[nodiscard]] const std::filesystem::path& temporary() const { return temporary_.path(); }
  [[nodiscard]] const std::filesystem::path& final_path() const { return final_; }
  /// Flushes to disk, renames, flushes the folder. Throws Error(kIo).
  void commit();

 private:
  std::filesystem::path final_;
  Temporary temporary_;
};

/// A folder that is made empty under a temporary name and renamed when complete. A link is followed. It replaces
/// nothing: throws Error(kUsage) if the final name exists when it is made.
class AtomicFolder {
 public:
  explicit AtomicFolder(const std::filesystem::path& final_path);

  [[nodiscard]] const std::filesystem::path& temporary() const { return temporary_.path(); }
  [[nodiscard]] const std::filesystem::path& final_path() const { return final_; }
  void commit();

 private:
  std::filesystem::path final_;
  Temporary temporary_;
};

/// Writes a file of text, whole or not at all. Throws Error(kIo).
void write_text(const std::filesystem::path& path, std::string_view text);

/// Throws Error(kIo): writing that file has just failed, for the reason that errno has.
[[noreturn]] void fail_writing(const std::filesystem::path& file);

/// Flushes a file or folder to disk. Throws Error(kIo).
void sync_path(const std::filesystem::path& path);

/// Writes, flushes and removes a small file in `folder` or, if it does not exist yet, in the nearest folder above it.
/// Throws Error(kIo) that says why nothing can be written there.
void require_writable(const std::filesystem::path& folder);

/// Throws Error(kIo) with a clear message when the file system of `folder` has less than `bytes` free.
void require_space(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace tessera::storage
