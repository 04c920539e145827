// Nothing to call: the linker puts what this target defines in place of the library's own.
