/* SPDX-License-Identifier: MIT */
/* Built with ThreadSanitizer, does nothing: with_tsan.sh learns from it whether TSan starts here.
 */
int main(void)
{
    return 0;
}
