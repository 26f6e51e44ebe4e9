// The theme opens the navigation of narrow windows by a click on an icon, which a keyboard cannot
// reach. This makes it a button in all but name.
document.addEventListener("DOMContentLoaded", () => {
    for (const toggle of document.querySelectorAll('[x-on\\:click*="sidebarMobileOpen"]')) {
        toggle.tabIndex = 0;
        toggle.setAttribute("role", "button");
        toggle.setAttribute("aria-label", "Navigation");
        toggle.addEventListener("keydown", (event) => {
            if (event.key === "Enter" || event.key === " ") {
                event.preventDefault();
                toggle.click();
            }
        });
    }
});
