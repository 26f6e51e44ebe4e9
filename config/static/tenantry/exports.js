// While a file is being made, the list is replaced every two seconds. Without a script a reload does.
(() => {
    const list = document.getElementById("exports");
    const isActive = () => list.querySelector("[data-active]")?.dataset.active === "yes";

    async function refresh() {
        try {
            const answer = await fetch(list.dataset.url, { credentials: "same-origin", redirect: "error" });
            if (answer.ok) {
                const focused = list.contains(document.activeElement) ? document.activeElement.id : "";
                list.innerHTML = await answer.text();
                if (focused) document.getElementById(focused)?.focus();
            }
        } catch {
            // The server is away for a moment, or the session is over: a reload will say.
        }
        if (isActive()) window.setTimeout(refresh, 2000);
    }

    if (isActive()) window.setTimeout(refresh, 2000);
})();
