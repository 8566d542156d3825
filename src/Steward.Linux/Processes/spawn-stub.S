# The machine code of SpawnStub.cs, for x86-64. A test assembles this file and compares the bytes:
#   gcc -c spawn-stub.S -o stub.o && objcopy -O binary -j .text stub.o stub.bin
#
# long stub(struct plan *plan)
#
# struct plan {            struct entry {           // 64 bytes
#   entry *first;    //  0   long number;     //  0
#   entry *end;      //  8   long arguments[6]; //  8
#   long   flags;    // 16   long flags;      // 56: bit 0 = go on when the call fails
#   long   result;   // 24 };
#   entry *failed;   // 32
# };
#
# Makes a child that shares our memory and our stack while the calling thread sleeps (CLONE_VM | CLONE_VFORK). The child
# therefore pushes nothing, calls nothing and writes nothing but plan->result and plan->failed. The last entry is execve, which
# does not come back; where a call fails that may not, the child leaves its number and error and exits with 127.
# Answers the child's pid, or a negative error number when there is no child.

        .intel_syntax noprefix
        .text
        .globl  stub
stub:
        push    rbx
        push    r12
        push    r13
        mov     rbx, rdi
        mov     r12, [rbx]
        mov     r13, [rbx + 8]
        mov     rdi, [rbx + 16]         # clone(flags, same stack, no tids, no tls)
        xor     esi, esi
        xor     edx, edx
        xor     r10d, r10d
        xor     r8d, r8d
        mov     eax, 56
        syscall
        test    rax, rax
        jz      child
        pop     r13
        pop     r12
        pop     rbx
        ret

child:
        cmp     r12, r13
        jae     leave
        mov     rax, [r12]
        mov     rdi, [r12 + 8]
        mov     rsi, [r12 + 16]
        mov     rdx, [r12 + 24]
        mov     r10, [r12 + 32]
        mov     r8, [r12 + 40]
        mov     r9, [r12 + 48]
        syscall
        test    rax, rax
        jns     next
        test    byte ptr [r12 + 56], 1
        jnz     next
        mov     [rbx + 24], rax
        mov     [rbx + 32], r12
leave:
        mov     edi, 127
        mov     eax, 231                # exit_group
        syscall
        jmp     leave
next:
        add     r12, 64
        jmp     child
